"""Threads may decode the same types at the same time, the first time too."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from vedette import structs
from vedette.ruleset.manifest import Manifest

RACE = """
import sys, threading
import msgspec
from vedette.structs import prepare
sys.setswitchinterval(1e-6)
kinds = []
for number in range(400):
    inner = msgspec.defstruct(
        f"Inner{number}", [(f"a{n}", "int | None", None) for n in range(12)], module="vedette.x"
    )
    fields = [(f"b{n}", inner | None, None) for n in range(12)]
    kinds.append(msgspec.defstruct(f"Outer{number}", fields, module="vedette.x"))
sys.modules["vedette.x"] = type(sys)("vedette.x")
if sys.argv[1] == "prepared":
    assert prepare() >= 800
line = msgspec.json.encode({f"b{n}": {f"a{m}": m for m in range(12)} for n in range(12)})
barrier = threading.Barrier(6)
def work():
    for kind in kinds:
        barrier.wait()
        assert msgspec.json.decode(line, type=kind).b11.a11 == 11
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_that_decode_for_the_first_time_do_not_end_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RACE, "prepared"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_all_types_that_are_imported_are_found() -> None:
    found = structs.prepare()
    assert found > 3
    assert Manifest in set(structs._below(msgspec.Struct))
