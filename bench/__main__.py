"""Run the benchmarks: ``python -m bench [NAME...] [--quick] [--write]``."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import structlog

from bench import report
from bench.machine import facts, load_average
from bench.options import Options
from vedette.testing.engine import find_engine

NAMES = (
    *("suricata_load", "packets", "memcap", "list_to_bundle", "delta", "misp_pull", "cycle"),
    *("ingest", "known", "hunt", "growth"),
    *("feedback", "warninglists", "guard", "fleet"),
)
_NO_ENGINE = frozenset(
    {
        *("list_to_bundle", "misp_pull", "ingest", "known", "hunt", "growth"),
        *("feedback", "warninglists", "guard", "fleet"),
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--repeat", type=int, help="repetitions of what is compared")
    parser.add_argument("--engine", choices=("7", "8"), action="append", help="only this one")
    parser.add_argument("--profile", action="store_true", help="where Vedette spends its time")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if given.write and given.quick:
        parser.error("figures of --quick are not worth writing down")
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    engines = tuple(filter(None, map(find_engine, given.engine or ("7", "8"))))
    for name in given.names or NAMES:
        if not engines and name not in _NO_ENGINE:
            sys.stderr.write("there is no Suricata to measure; run: tools/engines.sh\n")
            return 1
        before = load_average()
        with tempfile.TemporaryDirectory(prefix="vedette-bench-") as scratch:
            options = Options(
                quick=given.quick,
                repeat=given.repeat or (1 if given.quick else 3),
                engines=engines,
                scratch=Path(scratch),
                profile=given.profile,
            )
            module = import_module(f"bench.{name}")
            texts = [table.markdown() for table in module.tables(options)]
        busy = f"load average {before} before, {load_average()} after"
        text = "\n".join([*texts, f"Measured on: {facts(engines)}; {busy}.\n"])
        sys.stdout.write(f"## {name}\n\n{text}\n")
        sys.stdout.flush()
        if given.write:
            report.write(name, text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
