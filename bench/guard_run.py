"""Run the guard once in a state directory: ``python -m bench.guard_run HOW HOME LISTS``.

HOW: ``lists`` (open the index alone), ``changed`` (judge what changed), ``all`` (judge everything).
Prints JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path

import structlog

from bench.pools import rss_mib
from vedette.config import GuardSettings, Settings
from vedette.pipeline.guarding import guard
from vedette.pipeline.hub import Hub
from vedette.pipeline.warninglists import open_index


def main() -> int:
    how, home, lists = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    settings = Settings(home=str(Path(home)), guard=GuardSettings(warning_lists=lists))
    with Hub(settings) as hub:
        cpu, wall = time.process_time(), time.monotonic()
        found = {"judged": 0, "verdicts": 0}
        if how == "lists":
            index = open_index(settings)
            entries = sum(info.entries for info in index.lists)
            found |= {"lists": len(index.lists), "entries": entries}
        else:
            done = guard(hub, everything=how == "all")
            found |= {"judged": done.judged, "verdicts": done.verdicts}
        found |= {
            "cpu_s": time.process_time() - cpu,
            "wall_s": time.monotonic() - wall,
            "rss_mib": rss_mib(),
            "listed": sum(hub.store.entries.counts().values()),
        }
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
