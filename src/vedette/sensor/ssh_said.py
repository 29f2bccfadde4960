"""What ssh says when it fails, as a kind of trouble with a remedy.

ssh has one exit code for everything that is its own (255); only its words tell what happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from vedette.errors import SensorError


class Trouble(StrEnum):
    """Why a sensor's machine cannot be reached."""

    KEY_UNKNOWN = "host key unknown"
    KEY_CHANGED = "host key changed"
    DENIED = "permission denied"
    REFUSED = "connection refused"
    NO_ROUTE = "not reachable"
    NO_NAME = "name unknown"
    NO_SSH = "no ssh here"
    LOST = "connection lost"
    """It was there, and went away."""
    SILENT = "no answer"
    """The connection stands, and nothing comes over it."""
    OTHER = "other"


_SAID: tuple[tuple[str, Trouble], ...] = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Trouble.KEY_CHANGED),
    ("Host key verification failed", Trouble.KEY_UNKNOWN),
    ("Permission denied (", Trouble.DENIED),
    ("Too many authentication failures", Trouble.DENIED),
    ("Connection refused", Trouble.REFUSED),
    ("Could not resolve hostname", Trouble.NO_NAME),
    ("No route to host", Trouble.NO_ROUTE),
    ("Network is unreachable", Trouble.NO_ROUTE),
    ("timed out", Trouble.NO_ROUTE),
    ("not responding", Trouble.LOST),
    ("Connection closed", Trouble.LOST),
    ("Connection reset", Trouble.LOST),
    ("Broken pipe", Trouble.LOST),
    ("mux_client", Trouble.LOST),
    ("control socket", Trouble.LOST),
)

HINTS: Mapping[Trouble, str] = {
    Trouble.KEY_UNKNOWN: "Nobody has said that this is the sensor. As the user that runs Vedette:"
    " ssh-keyscan {host} shows its key; compare it with ssh-keygen -lf"
    " /etc/ssh/ssh_host_ed25519_key.pub on the sensor, then add it to ~/.ssh/known_hosts.",
    Trouble.KEY_CHANGED: "Either the sensor was set up anew, or somebody else answers in its place."
    " Ask whoever looks after it; only then remove the old key: ssh-keygen -R {host}",
    Trouble.DENIED: "The sensor takes none of our keys. Put the public key of the user that runs"
    " Vedette into authorized_keys of the account; a key with a passphrase needs an agent.",
    Trouble.REFUSED: "No SSH server listens there: is it running, and is the port right?",
    Trouble.NO_ROUTE: "Is the machine up, and does a firewall let this one in?",
    Trouble.NO_NAME: "Correct the sensor's ssh setting, or add a Host of that name to ssh_config.",
    Trouble.NO_SSH: "Install the OpenSSH client on this machine.",
    Trouble.LOST: "The generation in force on the sensor is what it was; the next push goes on.",
    Trouble.SILENT: "The network or the sensor's machine is stuck. What is in force there is what"
    " it was; the next push goes on.",
    Trouble.OTHER: "Try it by hand, as the user that runs Vedette: ssh {host} true",
}


class UnreachableError(SensorError):
    """The machine of a sensor cannot be reached; nothing is known of its engine.

    Args:
        trouble: What kind of trouble it is.
        host: The sensor's ``ssh`` setting.
        said: ssh's own words, or ours.
    """

    def __init__(self, trouble: Trouble, host: str, said: str) -> None:
        super().__init__(
            f"{host} cannot be reached by ssh ({trouble}): {said}",
            hint=HINTS[trouble].format(host=host.rpartition("@")[2]),
        )
        self.trouble = trouble


def unreachable(host: str, said: str, otherwise: Trouble = Trouble.OTHER) -> UnreachableError:
    """Return the error for what ssh printed before it exited with 255."""
    trouble = next((found for words, found in _SAID if words in said), otherwise)
    lines = [line.strip("\r @") for line in said.splitlines()]
    telling = [line for line in lines if any(words in line for words, _ in _SAID)]
    last = [line for line in lines if line][-1:]
    return UnreachableError(trouble, host, (telling or last or ["it ended without a word"])[-1])
