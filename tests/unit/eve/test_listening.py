from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from vedette.errors import BusyError, UsageError
from vedette.eve.listening import Listening, ListeningForDatagrams
from vedette.eve.segment import MAX_LINE

Kind = type[Listening]


def counted(times: int) -> Callable[[], bool]:
    left = iter(range(times))
    return lambda: next(left, None) is not None


@pytest.fixture
def path(short_path: Path) -> Path:
    return short_path / "eve.sock"


def connected(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, kind)
    client.connect(str(path))
    return client


def everything(listening: Listening) -> tuple[bytes, dict[str, int]]:
    data, skipped = b"", dict[str, int]()
    for lines in listening.batches():
        data += lines.data
        for reason, n in lines.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + n
    return data, skipped


def test_several_engines_write_at_once_and_their_lines_do_not_mix(path: Path) -> None:
    with Listening(path, counted(5), 0.01) as listening:
        clients = [connected(path) for _ in range(3)]
        for piece in (b'{"a":', b"1}\n{", b'"b":2}\n'):
            for client in clients:
                client.sendall(piece)
        for client in clients:
            client.close()
        data, skipped = everything(listening)
    assert sorted(data.splitlines()) == [b'{"a":1}'] * 3 + [b'{"b":2}'] * 3
    assert skipped == {}


def test_a_connection_that_ends_within_a_line_is_torn_and_costs_no_other(path: Path) -> None:
    with Listening(path, counted(5), 0.01) as listening:
        with connected(path) as torn, connected(path) as whole:
            torn.sendall(b'{"a":1}\n{"b":')
            whole.sendall(b'{"c":3}\n')
        data, skipped = everything(listening)
    assert sorted(data.splitlines()) == [b'{"a":1}', b'{"c":3}']
    assert skipped == {"torn": 1}


def test_a_line_of_megabytes_is_read_and_one_that_is_too_long_is_counted(path: Path) -> None:
    long = b'{"a":"' + b"x" * (MAX_LINE - 100) + b'"}\n'
    with Listening(path, counted(100), 0.01) as listening:

        def send() -> None:
            with connected(path) as client:
                client.sendall(long + b"y" * (MAX_LINE + 1) + b'\n{"b":2}\n')

        sender = threading.Thread(target=send)
        sender.start()
        data, skipped = everything(listening)
        sender.join()
    assert data == long + b'{"b":2}\n'
    assert skipped == {"oversized": 1}


@pytest.mark.parametrize("kind", [Listening, ListeningForDatagrams])
def test_only_owner_and_group_may_write(path: Path, kind: Kind) -> None:
    with kind(path, counted(1), 0.01):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()


@pytest.mark.parametrize("kind", [Listening, ListeningForDatagrams])
def test_a_socket_that_somebody_dead_left_is_replaced(path: Path, kind: Kind) -> None:
    dead = socket.socket(socket.AF_UNIX, kind._type)
    dead.bind(str(path))
    dead.close()
    with kind(path, counted(1), 0.01):
        connected(path, kind._type).close()


@pytest.mark.parametrize("kind", [Listening, ListeningForDatagrams])
def test_a_socket_that_somebody_listens_on_is_left_alone(path: Path, kind: Kind) -> None:
    with kind(path, counted(1), 0.01):
        with pytest.raises(BusyError, match="another process listens"):
            kind(path, counted(1), 0.01).__enter__()
        connected(path, kind._type).close()
    assert not path.exists()


def test_what_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(UsageError, match="is no socket"):
        Listening(path, counted(1), 0.01).__enter__()
    assert path.read_text() == "precious"


@pytest.mark.parametrize("place", ["none/eve.sock", "x" * 120])
def test_where_no_socket_can_be_is_said_with_a_hint(short_path: Path, place: str) -> None:
    with pytest.raises(UsageError) as failed:
        Listening(short_path / place, counted(1), 0.01).__enter__()
    assert failed.value.hint


def test_a_datagram_is_a_line_with_or_without_its_end(path: Path) -> None:
    with ListeningForDatagrams(path, counted(3), 0.01) as listening:
        with connected(path, socket.SOCK_DGRAM) as client:
            for text in (b'{"a":1}', b'{"b":2}\n', b"", b'{"c":3}\n\n'):
                client.send(text)
        data, skipped = everything(listening)
    assert data == b'{"a":1}\n{"b":2}\n{"c":3}\n'
    assert skipped == {}
