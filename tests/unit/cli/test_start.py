import subprocess
import sys

SLOW = ("numpy", "pyarrow", "chdb", "antlr4", "apprise", "redis", "zmq")


def test_commands_start_without_what_only_some_of_them_need() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, vedette.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "vedette.cli" in said
    assert not [name for name in SLOW if name in said]
