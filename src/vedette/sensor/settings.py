"""What Vedette has to know about a sensor on this machine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from msgspec import Struct


class Delivery(StrEnum):
    """How generations come to a sensor."""

    LOCAL = "local"
    """The hub writes its rules directory and asks its socket, on the same machine."""
    SSH = "ssh"
    """The same, through SSH: nothing is installed on the sensor."""
    AGENT = "agent"
    """``vedette agent`` beside the engine pulls them."""
    SURICATA_UPDATE = "suricata-update"
    """suricata-update fetches them from our URL; an agent that only proves may stand beside it."""
    SCIRIUS = "scirius"
    """Scirius, SELKS or Clear NDR fetch them from our URLs."""
    STICK = "stick"
    """Carried by hand: ``bundle export``, ``bundle import``."""

    @property
    def is_pushed(self) -> bool:
        """Whether the hub itself reaches the engine."""
        return self in {Delivery.LOCAL, Delivery.SSH}


class OnDrift(StrEnum):
    """What is done when an engine does not hold what it was proved to hold."""

    REPAIR = "repair"
    REPORT = "report"
    """Only said; somebody else repairs."""


class Sensor(Struct, frozen=True, kw_only=True):
    """A sensor: where its engine listens and where its rules go."""

    name: str
    delivery: Delivery = Delivery.LOCAL
    ssh: str = ""
    """``user@host`` or a Host of ssh_config; of delivery ``ssh`` only."""
    ssh_options: tuple[str, ...] = ()
    """More options of ssh: ``-p``, ``2222``."""
    mirror: str = ""
    """Where copies of an SSH sensor's rules are kept on this machine; the hub fills it in."""
    ring: str = ""
    """``canary``: it gets new generations before the others; ``""``: with all the others."""
    on_drift: OnDrift = OnDrift.REPAIR
    socket: str = ""
    """``unix-command.filename`` of its suricata.yaml."""
    rules: str = ""
    """A directory of Vedette's own; ``<rules>/current/vedette.rules`` is in ``rule-files``."""
    context: bool = False
    """Have a small JSON context in the alert itself (8.x): 1.3 to 2.5 times the memory."""
    eve: str = ""
    """Its eve.json, for the hit reader."""
    test_command: tuple[str, ...] = ()
    """Run before new files come into force; ``{rules}`` is the new rules file, ``{tmp}`` an empty
    directory: ``suricata -T -c /etc/suricata/suricata.yaml -S {rules} -l {tmp}``."""
    delta_max: int = 20_000
    """More changed entries than this are brought by a reload; fewer too, where a reload was
    measured to be sooner."""
    timeout_s: float = 10.0
    """For one answer of the engine."""
    reload_timeout_s: float = 600.0
    """For a reload, the engine's other rules included."""
    restart_timeout_s: float = 120.0
    """For an engine that ended in the middle of a push to be back."""

    @property
    def socket_path(self) -> Path:
        """The command socket."""
        return Path(self.socket)

    @property
    def rules_path(self) -> Path:
        """Vedette's directory."""
        return Path(self.rules)

    @property
    def rules_entry(self) -> str:
        """What has to stand in ``rule-files``."""
        return str(self.rules_path / "current" / "vedette.rules")
