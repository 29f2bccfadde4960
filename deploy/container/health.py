# ruff: noqa: INP001
"""Whether what a container runs does its work: 0 if so, 1 if not. For HEALTHCHECK.

python health.py serve    the server answers
python health.py run      the daemon holds its lock
python health.py agent    the engine is proved to hold the wanted generation
"""

from __future__ import annotations

import ssl
import subprocess
import sys
import urllib.error
import urllib.request

from vedette.config import find_config, load
from vedette.errors import VedetteError


def serve() -> bool:
    """Ask the server on this machine; its certificate may be of any name."""
    settings = load(find_config(None)).serve
    host, _, port = settings.listen.rpartition(":")
    address = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - not bound
    scheme = "https" if settings.tls_cert else "http"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(  # noqa: S310 - http or https
            f"{scheme}://{address}:{port}/health", timeout=5, context=context
        ) as answer:
            return bool(answer.read() == b"ok\n")
    except (urllib.error.URLError, OSError):
        return False


def run() -> bool:
    """Look whether the daemon's lock is held."""
    from vedette.pipeline.gauges import is_held  # noqa: PLC0415 - of the hub only

    return is_held(load(find_config(None)).state_dir / "run.lock")


def agent() -> bool:
    """Ask the agent's own status."""
    command = [sys.executable, "-m", "vedette", "agent", "status", "--json"]
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0  # noqa: S603


def main() -> int:
    """Answer about what the command line names."""
    try:
        return 0 if {"serve": serve, "run": run, "agent": agent}[sys.argv[1]]() else 1
    except VedetteError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
