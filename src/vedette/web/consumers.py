"""What single consumers want otherwise than it is: names for Scirius, an index for suricata-update.

Both were written without Vedette in mind and are used unmodified: facts about them are tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from vedette.ruleset.manifest import SetInfo

SOURCE = "vedette/indicators"
"""The name in the index of suricata-update."""

_INDEX = """\
version: 1
sources:
  {source}:
    summary: Indicators of your Vedette, one rule per buffer
    description: |
      The generation that this sensor is told, for its version of Suricata.
      Asks for a token: vedette sensor enrol NAME --delivery suricata-update
    vendor: Vedette
    license: your own intelligence
    url: {base}/t/%(secret-token)s/suricata-%(__version__)s/vedette.tar.gz
    min-version: 7.0.0
    checksum: true
    parameters:
      secret-token:
        prompt: Token of this sensor
"""


def index_yaml(base: str) -> str:
    """Return the index; ``base`` is the address of the hub."""
    return _INDEX.format(source=SOURCE, base=base.replace("%", "%%"))


def rules_for_scirius(rules: Path, sets: Iterable[SetInfo]) -> Iterator[bytes]:
    """Yield the rules with the files under the names of their sets: letters, digits and dashes.

    Scirius names the file of a source like the source, and takes no dot in such a name.
    """
    names = {info.file: info.name for info in sets}
    pattern = re.compile(
        rf"(?<=[:, ])({'|'.join(map(re.escape, names))})(?=[,;])" if names else r"(?!)"
    )
    text = rules.read_text(encoding="utf-8")
    yield pattern.sub(lambda match: names[match[1]], text).encode()
