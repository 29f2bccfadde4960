"""The command socket of an engine that is reached by ssh.

Hard rule: an engine that is gone and a connection that is gone are two different things, and the
error says which: an engine comes back by itself, and whoever waits for it may go on waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, NoReturn, Self

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.protocol import Answer, EngineGoneError
from vedette.sensor.settings import Sensor
from vedette.sensor.ssh_link import Link
from vedette.sensor.ssh_said import Trouble, UnreachableError
from vedette.sensor.ssh_scripts import SOCKET

_ASK_S = 10.0


class ForwardedSocket(SuricataSocket):
    """A connection to an engine through a forwarded socket; see :class:`SuricataSocket`.

    Args:
        sensor: With its own ``socket``, as it is on its machine.
    """

    def __init__(self, sensor: Sensor) -> None:
        self._link = Link(sensor)
        self._there = sensor.socket
        super().__init__(self._link.socket, sensor.timeout_s)

    @property
    def pid(self) -> int:
        """0: it is a process of another machine."""
        return 0

    def connect(self) -> Self:
        """Connect and greet.

        Raises:
            EngineGoneError: There is no engine.
            UnreachableError: There is no connection to its machine.
            SensorError: It may not be asked by us, or ssh does not forward its socket.
        """
        self._link.open()
        try:
            return super().connect()
        except EngineGoneError:
            self._explain()

    def ask(self, command: str, arguments: Mapping[str, str] | None = None) -> Answer:
        """Send any command and return its answer.

        Raises:
            EngineGoneError: The engine hung up.
            UnreachableError: The connection to its machine was lost.
            SensorError: It does not answer in time, or the command is too long.
        """
        try:
            return super().ask(command, arguments)
        except EngineGoneError as error:
            if not self._link.is_open():
                said = f"in the middle of {command}"
                raise UnreachableError(Trouble.LOST, self._link.host, said) from error
            raise
        except SensorError as error:
            if isinstance(error.__cause__, TimeoutError):
                self._link.run(":", timeout_s=_ASK_S)  # raises if it is not the engine that is slow
            raise

    def _explain(self) -> NoReturn:
        """Find out over the same connection why nobody answered, and raise that."""
        raise socket_trouble(self._link, self._there) or REFUSED.error(self._link.host, self._there)


class _Trouble(NamedTuple):
    message: str
    """With ``{socket}``, ``{host}``, and ``{rest}`` of what the script printed."""
    hint: str
    is_gone: bool = False
    """Whether there is no engine; else there may be one, and we may not ask it."""

    def error(self, host: str, there: str, rest: str = "") -> SensorError:
        message = self.message.format(socket=there, host=host, rest=rest)
        return (EngineGoneError if self.is_gone else SensorError)(message, hint=self.hint)


REFUSED = _Trouble(
    "the engine listens on {socket} on {host}, but ssh does not let us through",
    "sshd refuses to forward sockets. For this account, sshd_config needs"
    " AllowStreamLocalForwarding and AllowTcpForwarding on yes or local, and neither"
    " DisableForwarding nor PermitOpen; a key with restrict in authorized_keys needs"
    " port-forwarding, and no permitopen.",
)
_TROUBLES: Mapping[str, _Trouble] = {
    "missing": _Trouble(
        "there is no socket {socket} on {host}",
        "Is Suricata running, with unix-command enabled and this filename in its yaml?",
        is_gone=True,
    ),
    "deaf": _Trouble(
        "nobody listens on {socket} on {host}",
        "Suricata has ended and left its socket behind; start it.",
        is_gone=True,
    ),
    "closed": _Trouble(
        "the account may not enter {rest} on {host}",
        "Put the account into the group that owns that directory, and let the group enter it"
        " (chmod g+x). A connection that is kept has the old groups for some minutes.",
    ),
    "denied": _Trouble(
        "the account may not use {socket} on {host}",
        "Put the account into the group of the socket, and let the group write (chmod g+w). A"
        " connection that is kept has the old groups for some minutes.",
    ),
    "other": _Trouble("{socket} on {host} is no socket", "Correct the sensor's socket."),
}


def socket_trouble(link: Link, there: str) -> SensorError | None:
    """Look at the engine's socket on its own machine; None if somebody listens and we may connect.

    Returns:
        EngineGoneError if there is no engine, SensorError if we may not ask it.

    Raises:
        SensorError: Its machine cannot be reached.
    """
    said = link.run(SOCKET, there, timeout_s=_ASK_S, what="look at the socket")
    word, _, rest = said.decode(errors="replace").rstrip("\n").partition(" ")
    found = _TROUBLES.get(word)
    return found.error(link.host, there, rest) if found else None
