"""What goes wrong between us and a ClickHouse, over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import stamina

from vedette.config import PoolSettings, Settings
from vedette.errors import ConfigError, PoolError
from vedette.pool.records import Wanted
from vedette.pool.remote import PASSWORD_VARIABLE, Address, RemoteBackend, parse_address
from vedette.pool.store import Pool
from vedette.testing.clickhouse_node import ClickHouseNode
from vedette.testing.plain_pool import Seen, fold

TLS = Path(__file__).resolve().parents[2] / "data/tls"
START = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (
            "clickhouse://vedette@db.example:9000/net",
            Address(host="db.example", port=9000, user="vedette", database="net", tls=False),
        ),
        (
            "clickhouses://a%40b@[2001:db8::1]",
            Address(host="2001:db8::1", port=8443, user="a@b", database="vedette", tls=True),
        ),
        (
            "clickhouse://db.example/",
            Address(host="db.example", port=8123, user="default", database="vedette", tls=False),
        ),
    ],
)
def test_addresses(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://db.example", "is no ClickHouse"),
        ("clickhouse:///vedette", "is no ClickHouse"),
        ("clickhouse://db.example:99999/", "out of range"),
        ("clickhouse://a:secret@db.example/", "everybody can read"),
        ("clickhouse://db.example/a-b", "database"),
        ("clickhouse://db.example/a;DROP", "database"),
    ],
)
def test_what_is_no_address_is_said(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        parse_address(url)
    assert raised.value.hint
    assert "secret" not in str(raised.value)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_nobody_there_is_said_after_some_tries() -> None:
    port = free_port()
    with pytest.raises(PoolError, match=rf"127\.0\.0\.1:{port}.*refused") as raised:
        RemoteBackend(parse_address(f"clickhouse://127.0.0.1:{port}"))
    assert type(raised.value) is PoolError
    assert "HTTP port" in raised.value.hint


def test_a_wrong_password_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ClickHouseNode(tmp_path, user="vedette", password="right") as node:
        monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
        with pytest.raises(PoolError, match="does not let user 'vedette' in") as raised:
            RemoteBackend(parse_address(node.url))
        assert PASSWORD_VARIABLE in raised.value.hint
        monkeypatch.setenv(PASSWORD_VARIABLE, "right")
        backend = RemoteBackend(parse_address(node.url))
        assert backend.query("SELECT 1 AS one").num_rows == 1
        backend.close()


def test_a_server_must_have_a_certificate_of_an_authority_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ClickHouseNode(tmp_path, tls=str(TLS / "loopback.pem")) as node:
        with (
            stamina.set_testing(True, attempts=1),
            pytest.raises(PoolError, match=r"(?i)certificate") as raised,
        ):
            RemoteBackend(parse_address(node.url))
        assert "SSL_CERT_FILE" in raised.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "authority.pem"))
        backend = RemoteBackend(parse_address(node.url))
        assert backend.query("SELECT 1 AS one").num_rows == 1
        backend.close()


def test_the_store_of_the_settings_is_opened(clickhouse: ClickHouseNode) -> None:
    settings = Settings(pool=PoolSettings(store=f"{clickhouse.url}/opened_by_settings"))
    with Pool.open(settings) as pool:
        assert pool.commit(fold([Seen("dns.query", "a.example", START)]), sensor="s", token="t")
        pool.backend.command(f"DROP DATABASE {pool.backend.database} SYNC")


def test_a_server_that_is_silent_is_given_up(clickhouse: ClickHouseNode) -> None:
    with stamina.set_testing(True, attempts=1):
        backend = RemoteBackend(parse_address(clickhouse.url), timeout_s=1)
        with pytest.raises(PoolError, match="timed out"):
            backend.query("SELECT sleep(3)")
        backend.close()


def test_a_server_that_is_back_soon_goes_unnoticed(tmp_path: Path) -> None:
    with ClickHouseNode(tmp_path) as node:
        pool = Pool(RemoteBackend(parse_address(node.url)), PoolSettings())
        pool.commit(fold([Seen("dns.query", "a.example", START)]), sensor="s1", token="t1")
        node.kill()
        again = threading.Thread(target=node.start)
        again.start()
        pool.commit(fold([Seen("dns.query", "b.example", START)]), sensor="s1", token="t2")
        again.join()
        assert [one.count for one in pool.sightings(Wanted())] == [1, 1]
        pool.close()


@contextmanager
def losing_answers(port: int, losing: threading.Event) -> Iterator[int]:
    """Give a port that passes requests on to another one; while losing, no answer comes back."""
    stop = threading.Event()

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as upstream:
            answers = threading.Thread(target=pump, args=(upstream, client, losing))
            answers.start()
            pump(client, upstream, threading.Event())
            answers.join()

    def accept() -> None:
        while not stop.is_set():
            try:
                client, _ = server.accept()
            except TimeoutError:
                continue
            client.settimeout(None)
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            stop.set()
            thread.join()


def pump(source: socket.socket, target: socket.socket, losing: threading.Event) -> None:
    try:
        while data := source.recv(1 << 16):
            if losing.is_set():
                losing.clear()  # the answer is lost, once, and the connection with it
                break
            target.sendall(data)
    except OSError:
        pass  # the other end has gone
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def test_a_lost_answer_to_an_insert_does_not_count_twice(clickhouse: ClickHouseNode) -> None:
    losing = threading.Event()
    with losing_answers(clickhouse.port, losing) as port:
        address = parse_address(f"clickhouse://127.0.0.1:{port}/lost_answers")
        pool = Pool(RemoteBackend(address), PoolSettings())
        for number in range(6):
            losing.set()
            pool.commit(
                fold([Seen("dns.query", "a.example", START)]), sensor="s1", token=f"t{number}"
            )
            assert not losing.is_set()
        (found,) = pool.sightings(Wanted())
        assert found.count == 6
        assert pool.coverage().sensors[0].events == 6
        pool.backend.command("DROP DATABASE lost_answers SYNC")
        pool.close()


def test_an_answer_that_is_cut_short_is_an_error(clickhouse: ClickHouseNode) -> None:
    losing = threading.Event()
    with losing_answers(clickhouse.port, losing) as port:
        backend = RemoteBackend(parse_address(f"clickhouse://127.0.0.1:{port}"))
        stream = backend.stream("SELECT number AS n FROM numbers(10000000)")
        next(stream)
        losing.set()
        with pytest.raises(PoolError):
            for _ in stream:
                pass
        backend.close()


def test_a_column_of_another_type_is_no_scratch_table(clickhouse: ClickHouseNode) -> None:
    backend = RemoteBackend(parse_address(f"{clickhouse.url}/default"))
    with pytest.raises(KeyError), backend.scratch(pa.table({"a": pa.array([1.5])})):
        pass
    backend.close()
