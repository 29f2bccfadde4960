"""Serve a fake MISP until interrupted, for benches and for trying things by hand."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from vedette.testing.fake_misp.server import FakeMisp


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, serve, and leave quietly on Ctrl-C or SIGTERM."""
    options = _parser().parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    misp = FakeMisp(
        port=options.port,
        attributes=options.attributes,
        per_event=options.per_event,
        rendered=options.rendered,
    )
    if options.events is not None:
        misp.load_feed(options.events)
    with misp:
        sys.stdout.write(
            f"url {misp.url}\nkey {misp.key}\nevents {len(misp.state.events)}\n"
            f"read-only-key {misp.read_only_key}\n"
        )
        sys.stdout.flush()
        stopped.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vedette.testing.fake_misp",
        description="A MISP for tests on a loopback port. It forgets everything when it ends.",
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument(
        "--events", "--load", type=Path, metavar="DIR", help="a directory of MISP events (a feed)"
    )
    parser.add_argument("--attributes", type=int, default=0, help="generate so many")
    parser.add_argument("--per-event", type=int, default=1_000, help="attributes of an event")
    parser.add_argument(
        "--rendered", action="store_true", help="render them first, to serve them like a file"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
