"""What a memcap of 150 MB holds, by trying: the most domains that an engine still loads.

And whether ``vedette.ruleset.sizing`` calculates the same: a formula that is wrong makes an engine
drop a rule, or evict entries, without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path

from bench.cost import BenchError
from bench.names import listed
from bench.options import Options
from bench.peers import write_dataset
from bench.report import Table
from vedette.buffers import DatasetType
from vedette.ruleset.sizing import fits, size, used_bytes
from vedette.testing.engine import Engine

_MIB = 1 << 20
_TOO_SMALL = ("too large for set memcap", "memcap is smaller than")
_CAP = {7: 262_144, 8: 65_536}
"""``datasets.limits.single-hashsize`` as shipped."""


def tables(options: Options) -> Iterable[Table]:
    """One table of what fits, one of the sizes that Vedette chooses."""
    most = options.size(2_200_000, 60_000)
    trial = _Trial(options.scratch / "trial", listed(most), options.size(150, 4))
    hashsizes = options.size((65_536, 262_144, 1_000_000), (4_096,))
    step = options.size(500, 5_000)
    rows = [trial.row(engine, h, step) for engine in options.engines for h in hashsizes]
    entries = options.size((1_000_000, 2_000_000), (20_000,))
    chosen = [trial.chosen(engine, count) for engine in options.engines for count in entries]
    return [
        Table(
            f"What memcap {trial.memcap_mib}mb holds (published domains,"
            f" {trial.mean_bytes:.1f} bytes on average)",
            (
                "engine",
                "hashsize",
                "allowed by default",
                "most that loads",
                "bytes an entry",
                "most by Vedette's formula",
                "1 M",
                "2 M",
            ),
            rows,
            (
                f"by bisection, to {step} entries; a hashsize over the cap was allowed by --set",
                "the formula counts the dearer engine's bytes: one generation must fit both",
            ),
        ),
        Table(
            "The memcap and hashsize that Vedette chooses, on the unmodified default yaml",
            ("engine", "entries", "memcap MiB", "hashsize", "loads", "room by the formula"),
            chosen,
        ),
    ]


class _Trial:
    """Sets of the first so many names, loaded by ``suricata -T``."""

    def __init__(self, directory: Path, names: Sequence[str], memcap_mib: int) -> None:
        directory.mkdir()
        self.memcap_mib = memcap_mib
        self._directory = directory
        self._lines = write_dataset(directory / "all.lst", names).read_bytes()
        ends = accumulate((len(name) + 2) // 3 * 4 + 1 for name in names)
        self._line_ends = [0, *ends]
        self._value_bytes = [0, *accumulate(map(len, names))]
        self.mean_bytes = self._value_bytes[-1] / len(names)

    def row(self, engine: Engine, hashsize: int, step: int) -> Sequence[object]:
        memcap = self.memcap_mib * _MIB
        most = self._most(engine, hashsize, step)
        calculated = self._calculated(memcap, hashsize)
        if calculated > most + step:
            raise BenchError(f"the formula says {calculated:,} entries fit, {most:,} do")
        return (
            ".".join(map(str, engine.version)),
            f"{hashsize:,}",
            "yes" if hashsize <= _CAP[engine.version[0]] else "no",
            f"{most:,}",
            f"{(memcap - 64 * hashsize) / most:.1f}",
            f"{calculated:,}",
            "fits" if most >= 1_000_000 else "no",
            "fits" if most >= 2_000_000 else "no",
        )

    def chosen(self, engine: Engine, entries: int) -> Sequence[object]:
        """Load a set of the size that Vedette chooses for it."""
        value_bytes = self._value_bytes[entries]
        chosen = size(DatasetType.STRING, entries, value_bytes)
        used = used_bytes(DatasetType.STRING, entries, value_bytes, chosen.hashsize)
        memcap_mib = chosen.memcap_bytes // _MIB
        loads = self._loads(engine, entries, chosen.hashsize, memcap_mib, allow=False)
        return (
            ".".join(map(str, engine.version)),
            f"{entries:,}",
            memcap_mib,
            chosen.hashsize,
            "yes" if loads else "NO",
            f"{(chosen.memcap_bytes - used) / used:.0%}",
        )

    def _most(self, engine: Engine, hashsize: int, step: int) -> int:
        """The most entries that load, to ``step``."""
        low, high = 0, len(self._value_bytes) - 1
        if self._loads(engine, high, hashsize, self.memcap_mib):
            return high
        while high - low > step:
            middle = (low + high) // 2
            if self._loads(engine, middle, hashsize, self.memcap_mib):
                low = middle
            else:
                high = middle
        return low

    def _calculated(self, memcap: int, hashsize: int) -> int:
        low, high = 0, len(self._value_bytes)
        while high - low > 1:
            middle = (low + high) // 2
            if fits(middle, self._value_bytes[middle], memcap, hashsize, DatasetType.STRING):
                low = middle
            else:
                high = middle
        return low

    def _loads(
        self, engine: Engine, entries: int, hashsize: int, memcap_mib: int, *, allow: bool = True
    ) -> bool:
        (self._directory / "set.lst").write_bytes(self._lines[: self._line_ends[entries]])
        (self._directory / "bench.rules").write_text(
            'alert dns any any -> any any (msg:"x"; dns.query; to_lowercase;'
            f" dataset:isset,x,type string,load set.lst,memcap {memcap_mib}mb,"
            f"hashsize {hashsize}; sid:1; rev:1;)\n"
        )
        limit = f"datasets.limits.single-hashsize={max(hashsize, _CAP[engine.version[0]])}"
        done = engine.check(
            self._directory, "bench.rules", arguments=("--set", limit) if allow else ()
        )
        if done.rc == 0:
            return True
        if not any(reason in line for line in done.errors for reason in _TOO_SMALL):
            raise BenchError("not for want of memcap:\n" + "\n".join(done.errors))
        return False
