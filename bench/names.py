"""Domain names to measure with: real ones where the shared data is there, else made up.

The same number always gives the same names.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from vedette.files import open_decompressed
from vedette.normalize import ancestors, reverse_key
from vedette.normalize.names import NAME_MAX, is_clean_name

_ROOT = Path(__file__).resolve().parent.parent
_SEED = 20_260
_TLDS = ("com", "net", "org", "info", "ru", "top", "xyz", "club", "co", "biz")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def shared_data() -> Path | None:
    """The folder of real lists and feeds, if it is beside the project."""
    place = Path(os.environ.get("VEDETTE_SHARED", _ROOT.parent / "shared")) / "data"
    return place if place.is_dir() else None


def real() -> Iterator[str]:
    """Published names, as the list has them, canonical ones only, each once."""
    data = shared_data()
    if data is None:
        return
    seen: set[str] = set()
    with open_decompressed(data / "lists/domains-maltrail.txt.zst") as lines:
        for line in lines:
            name = line.decode(errors="replace").strip().lower()
            if name not in seen and len(name) <= NAME_MAX and is_clean_name(name):
                seen.add(name)
                yield name


def made_up(seed: int = _SEED) -> Iterator[str]:
    """Names without end, of the lengths and numbers of labels of real ones; some are equal."""
    rng = random.Random(seed)
    while True:
        label = "".join(rng.choices(_LETTERS, k=rng.randint(6, 20)))
        host = "".join(rng.choices(_LETTERS, k=rng.randint(2, 8)))
        yield f"{label}.{rng.choice(_TLDS)}" if rng.getrandbits(3) else f"{host}.{label}.co"


def listed(count: int) -> list[str]:
    """Names as lists have them: real ones first, a quarter of them below others."""
    found = dict.fromkeys(islice(real(), count))
    for name in made_up():
        if len(found) >= count:
            break
        found[name] = None
    return list(found)


def flat(count: int) -> list[str]:
    """Names of which none is below another, so that whoever holds them holds ``count`` entries."""
    found = dict.fromkeys(_highest(islice(real(), 2 * count)))
    above = {parent for name in found for parent in ancestors(name)}
    for name in made_up():
        if len(found) >= count:
            break
        if name not in above and not any(parent in found for parent in ancestors(name)):
            found[name] = None
            above.update(ancestors(name))
    return _mixed(found)[:count]


def strange(count: int, known: Iterable[str]) -> list[str]:
    """Names that no list of ``known`` names covers: the traffic that is no hit."""
    covered = set(known)
    found: list[str] = []
    for name in made_up(_SEED + 1):
        if len(found) == count:
            break
        if name not in covered and not any(parent in covered for parent in ancestors(name)):
            found.append(name)
    return found


def _highest(names: Iterable[str]) -> Iterator[str]:
    """Leave out what a name of the list is above of."""
    covered = "\0"
    for key in sorted(reverse_key(name) + "!" for name in names):
        if not key.startswith(covered):
            covered = key
            yield key[:-1].replace("!", ".")[::-1]


def _mixed(names: Iterable[str]) -> list[str]:
    """In an order that is no order, as lists grow."""
    mixed = list(names)
    random.Random(_SEED).shuffle(mixed)
    return mixed
