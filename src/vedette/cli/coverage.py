"""``vedette coverage``: what is matched where, and what of the current indicators is not."""

from __future__ import annotations

import click

from vedette.buffers import Profile
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.errors import ConfigError
from vedette.model import IndicatorType
from vedette.ruleset.coverage import blind, cover
from vedette.store import Counts


@click.command()
@with_output
def coverage(out: Output) -> None:
    """Print which indicator types each engine matches in which buffer, and what it cannot."""
    counts, skipped, guarded = _current()
    rows = list(cover())
    out.table(
        ("indicator type", "current", "buffer", "match", *(p.value for p in Profile), "note"),
        [
            (
                row.type.value,
                counts.get(row.type, 0),
                row.buffer,
                row.match,
                *(row.support[profile] for profile in Profile),
                row.note,
            )
            for row in rows
        ],
    )
    unmatched = {
        profile.value: {
            kind.value: {"indicators": counts[kind], "why": why}
            for kind, why in blind(profile).items()
            if counts.get(kind)
        }
        for profile in Profile
    }
    for profile, kinds in unmatched.items():
        for kind, entry in kinds.items():
            out.warn(f"{profile}: {entry['indicators']:,} {kind}: {entry['why']}")
    if guarded.held or guarded.dropped or guarded.exact:
        out.say(
            f"Of {guarded.listed:,} listed indicators, {guarded.held:,} are held,"
            f" {guarded.dropped:,} dropped and {guarded.exact:,} published without the names below"
            " them: vedette indicator list --summary"
        )
    if skipped:
        out.say("Values of the sources that are not indicators here:")
        out.table(("why", "values"), list(skipped.items()))
    document = [
        {
            "type": row.type.value,
            "misp": row.misp,
            "buffer": row.buffer,
            "protocol": row.protocol,
            "match": row.match,
            "support": {profile.value: text for profile, text in row.support.items()},
            "note": row.note,
            "current": counts.get(row.type, 0),
        }
        for row in rows
    ]
    out.result({"table": document, "unmatched": unmatched, "left_out": skipped, "guard": guarded})


def _current() -> tuple[dict[IndicatorType, int], dict[str, int], Counts]:
    """Published ones by type, what is left out and why; none without a vedette.toml."""
    try:
        with hub() as opened:
            store = opened.store
            listed = sum(store.entries.counts().values())
            counts = store.inbox.counts(listed)
            return dict(store.published.counts()), store.skipped(), counts
    except ConfigError:
        return {}, {}, Counts()
