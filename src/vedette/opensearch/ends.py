"""Which end of a document is the client: the observer's rules, as a query and for one document.

A hunt counts hosts where the documents are, so that the rules of ``vedette.observe.ends`` have to
be said in the query language too. The contract test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from vedette.fields import Field
from vedette.normalize.observed import address
from vedette.observe.ends import EPHEMERAL, PRIVILEGED, SERVED, Home, is_turned
from vedette.observe.events import (
    Dns,
    DnsEvent,
    Event,
    FileEvent,
    FtpOfFile,
)
from vedette.opensearch.layouts import ANSWER_TYPES, Roles
from vedette.opensearch.queries import Query, both, either, no, one_of
from vedette.opensearch.shapes import Group

_DNS, _KERBEROS, _QUIC = (53,), (88,), (443,)
_SENT = ("STOR", "STOU", "APPE")


class Ends(NamedTuple):
    """Who a document is about."""

    client: str
    server: str
    sensor: str


class Direction:
    """The rules for one group of indices."""

    def __init__(self, roles: Roles, group: Group, home: Iterable[str]) -> None:
        """Take our own networks (CIDR) as ``home``.

        Raises:
            ValueError: A network is none.
        """
        self._roles, self._group = roles, group
        self._networks = list(home)
        self._home = Home(self._networks)

    def turned(self, field: Field) -> Query | None:
        """Return the query for documents whose source is the server; None: there are none.

        Where ports or addresses cannot be searched as such, the source counts as the client.
        """
        numbers = [
            self._group.column(name) for name in (self._roles.src_port, self._roles.dest_port)
        ]
        if any(column is None or column.kind != "number" for column in numbers):
            return None
        kinds = field.event.split("|")
        known = {
            "dns": self._answered,
            "krb5": lambda: self._by_ports(_KERBEROS),
            "quic": lambda: self._by_ports(_QUIC),
            "fileinfo": self._sent_by_server,
        }
        turned = [
            both(one_of(self._group.event.path, (kind,)), known[kind]())
            for kind in kinds
            if kind in known
        ]
        return either(*turned) if turned else None

    def columns(self) -> list[str]:
        """Return the paths that :meth:`of` reads in a document."""
        paths = {
            column.document for name in self._roles.columns if (column := self._group.column(name))
        }
        return sorted({*paths, *self._roles.sensor})

    def of(self, document: Mapping[str, Any]) -> Ends:
        """Return who a document is about; empty texts where it does not say."""
        event = self._event(document)
        client, server = address(event.src_ip), address(event.dest_ip)
        if is_turned(event, self._home):
            client, server = server, client
        return Ends(client, server, self._sensor(document))

    def _event(self, document: Mapping[str, Any]) -> Event:
        roles = self._roles
        ends: dict[str, Any] = {
            "event_type": self._text(document, roles.event),
            "src_ip": self._text(document, roles.src_ip),
            "src_port": self._number(document, roles.src_port),
            "dest_ip": self._text(document, roles.dest_ip),
            "dest_port": self._number(document, roles.dest_port),
        }
        match ends["event_type"]:
            case "dns":
                return DnsEvent(**ends, dns=Dns(type=self._text(document, roles.dns_type)))
            case "fileinfo":
                command = self._text(document, roles.command)
                return FileEvent(
                    **ends,
                    app_proto=self._text(document, roles.app_proto),
                    ftp_data=FtpOfFile(command=command) if command else None,
                )
            case _:
                return Event(**ends)

    def _value(self, document: Mapping[str, Any], name: str) -> object:
        column = self._group.column(name)
        return dig(document, column.document) if column else None

    def _text(self, document: Mapping[str, Any], name: str) -> str:
        found = self._value(document, name)
        return found if isinstance(found, str) else ""

    def _number(self, document: Mapping[str, Any], name: str) -> int:
        found = self._value(document, name)
        return found if isinstance(found, int) else 0

    def _sensor(self, document: Mapping[str, Any]) -> str:
        for path in self._roles.sensor:
            found = dig(document, path)
            if isinstance(found, str) and found:
                return found
        return ""

    def _ports(self) -> tuple[str, str]:
        src = self._group.column(self._roles.src_port)
        dest = self._group.column(self._roles.dest_port)
        return (src.path if src else "", dest.path if dest else "")

    def _answered(self) -> Query:
        kind = self._group.column(self._roles.dns_type)
        path = kind.path if kind else ""
        turned, open_ = self._steps(_DNS)
        unknown = both(_unknown(open_), one_of(path, ("response",)))
        return both(one_of(path, ANSWER_TYPES), either(*turned, unknown))

    def _by_ports(self, served: Iterable[int]) -> Query:
        """Return the query for: the source port is the server's."""
        return either(*self._steps(served)[0])

    def _steps(self, served: Iterable[int]) -> tuple[list[Query], list[Query]]:
        """Return what decides for the server one after the other, and what leaves it open."""
        src, dest = self._ports()
        ports = list(served)
        tests = [(one_of(src, ports), one_of(dest, ports))] if ports else []
        tests += [
            ({"range": {src: {"lt": limit}}}, {"range": {dest: {"lt": limit}}})
            for limit in (PRIVILEGED, EPHEMERAL)
        ]
        turned: list[Query] = []
        open_: list[Query] = [{"range": {src: {"gt": 0}}}, {"range": {dest: {"gt": 0}}}]
        for of_source, of_target in tests:
            turned.append(both(*open_, of_source, no(of_target)))
            open_.append(either(both(of_source, of_target), both(no(of_source), no(of_target))))
        return turned, open_

    def _sent_by_server(self) -> Query:
        rules = []
        column = self._group.column(self._roles.app_proto)
        path = column.path if column else ""
        named = [] if column is None else list(SERVED.items())
        for protocol, ports in named:
            rules.append(both(one_of(path, (protocol,)), self._file(sorted(ports))))
        others = no(one_of(path, [protocol for protocol, _ in named]))
        rules.append(both(others, self._file(())) if named else self._file(()))
        by_ports = either(*rules)
        command = self._group.column(self._roles.command)
        if command is None:
            return by_ports
        said = one_of(command.path, ("RETR", *_SENT))
        return either(one_of(command.path, ("RETR",)), both(no(said), by_ports))

    def _file(self, served: Iterable[int]) -> Query:
        turned, open_ = self._steps(served)
        return either(*turned, both(_unknown(open_), self._fetched()))

    def _fetched(self) -> Query:
        """Return the query for: the target is ours, or the source is not."""
        src = self._group.column(self._roles.src_ip)
        dest = self._group.column(self._roles.dest_ip)
        if src is None or dest is None or {src.kind, dest.kind} != {"ip"}:
            # Text cannot be compared with networks; files are fetched more often than sent.
            return {"match_all": {}}
        return either(one_of(dest.path, self._networks), no(one_of(src.path, self._networks)))


def _unknown(open_: list[Query]) -> Query:
    """Return the query for: no port is there, or no step has decided."""
    return either(no(both(*open_[:2])), both(*open_))


def dig(document: Mapping[str, Any], path: str) -> object:
    """Return what a document holds at a dotted path, in whatever way the path is split there."""
    if path in document:
        return document[path]
    head, dot, rest = path.partition(".")
    while dot:
        inner = document.get(head)
        if isinstance(inner, Mapping) and (found := dig(inner, rest)) is not None:
            return found
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None
