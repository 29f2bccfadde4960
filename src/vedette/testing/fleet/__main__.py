"""``python -m vedette.testing.fleet --runs 500 --real 60 --seed 1``: the fault campaign."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from vedette.testing.fleet.campaign import LANES, campaign, jobs, table
from vedette.testing.fleet.run import Outcome


def main() -> int:
    """Play the runs and print the table; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m vedette.testing.fleet")
    parser.add_argument("--runs", type=int, default=500, help="how many")
    parser.add_argument("--real", type=int, default=60, help="how many of them on real engines")
    parser.add_argument("--seed", type=int, default=1, help="of the first; the others follow")
    parser.add_argument("--lanes", type=int, default=LANES, help="runs side by side")
    parser.add_argument("--keep", type=Path, help="where what went wrong is kept")
    given = parser.parse_args()
    began = time.monotonic()
    those = jobs(given.runs, given.real, given.seed)
    outcomes = campaign(those, _tell, keep=given.keep, lanes=given.lanes)
    _write(*table(outcomes, time.monotonic() - began))
    return 1 if any(one.violations for one in outcomes) else 0


def _tell(outcome: Outcome) -> None:
    mark = "SKIP" if outcome.skipped else "BAD " if outcome.violations else "ok  "
    _write(
        f"{mark} {outcome.seed:6} {outcome.seconds:5.1f}s {outcome.engine:12} {outcome.kind}",
        *(f"       {violation}" for violation in outcome.violations),
    )


def _write(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
