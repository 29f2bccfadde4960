"""Lines of EVE as Suricata 7.0.10 and 8.0.7 write them, made of ready pieces at great speed.

The keys, their order and the lengths of the parts are those of real lines of both versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from bench.eve_world import Name, Numbers, Shape, World

MIX: Mapping[str, float] = {
    "query": 0.21,
    "answer": 0.21,
    "flow": 0.265,
    "tls": 0.16,
    "http": 0.08,
    "fileinfo": 0.06,
    "ssh": 0.005,
    "smtp": 0.005,
    "alert": 0.005,
}
"""Share of each kind of line; measured on a network of offices."""

_PATHS = (
    "/",
    "/index.html",
    "/favicon.ico",
    "/api/v1/status",
    "/MFMwUTBPME0wSzAJ",
    "/generate_204",
)
_METHODS = ("GET", "GET", "GET", "GET", "GET", "POST", "HEAD")
_HEX = [f"{number:04x}" for number in range(1 << 16)]
_APPS = ((443, "tls"), (53, "dns"), (80, "http"), (443, "quic"), (22, "ssh"), (445, "smb"))


class Lines:
    """Makes the lines of one kind for a block of events."""

    def __init__(self, world: World, shape: Shape) -> None:
        self._world = world
        self._shape = shape
        self._version = ',"ip_v":4' if shape.dns == 3 else ""
        self._answers = [_answers(name) for name in world.names]
        self._kinds: Mapping[str, Callable[[Block], Iterator[str]]] = {
            "query": self._query3 if shape.dns == 3 else self._query2,
            "answer": self._answer3 if shape.dns == 3 else self._answer2,
            "flow": self._flow,
            "tls": self._tls,
            "http": self._http,
            "fileinfo": self._fileinfo,
            "ssh": self._ssh,
            "smtp": self._smtp,
            "alert": self._alert,
        }

    def of(self, kind: str, times: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Return one line for each of the times."""
        return list(self._kinds[kind](Block(self._world, times, rng)))

    def _start(self, block: Block, kind: str, server: Sequence[str], port: str) -> list[str]:
        """Return the lines up to the part of the protocol: from a client to a server."""
        middle = f'","dest_port":{port},"proto":"TCP"{self._version},"pkt_src":"wire/pcap"'
        if port == "53":
            middle = middle.replace("TCP", "UDP")
        return [
            f'{{"timestamp":"{when}","flow_id":{flow},"in_iface":"eth0","event_type":"{kind}",'
            f'"src_ip":"{client}","src_port":{source},"dest_ip":"{address}{middle},'
            f'"community_id":"1:{community}",'
            for when, flow, client, source, address, community in zip(
                block.times,
                block.flows,
                block.clients,
                block.ports,
                server,
                block.community,
                strict=True,
            )
        ]

    def _query2(self, block: Block) -> Iterator[str]:
        start = self._start(block, "dns", block.resolvers, "53")
        for head, number, name in zip(start, block.ports, self._asked(block), strict=True):
            yield (
                f'{head}"dns":{{"version":2,"type":"query","id":{number},"rrname":"{name}",'
                f'"rrtype":"A","tx_id":0,"opcode":0}}}}'
            )

    def _query3(self, block: Block) -> Iterator[str]:
        start = self._start(block, "dns", block.resolvers, "53")
        for head, number, name in zip(start, block.ports, self._asked(block), strict=True):
            yield (
                f'{head}"dns":{{"version":3,"type":"request","tx_id":0,"id":{number},"flags":"100",'
                f'"rd":true,"opcode":0,"rcode":"NOERROR","queries":[{{"rrname":"{name}",'
                f'"rrtype":"A"}}]}}}}'
            )

    def _asked(self, block: Block) -> Iterator[str]:
        """Names that were looked up; some of them only this once."""
        fresh = (block.rng.random(len(block.times)) < self._shape.fresh).tolist()
        for name, once, one, two in zip(block.names, fresh, block.hex(), block.hex(), strict=True):
            yield f"{one}{two}.{name.text}" if once else name.text

    def _answer2(self, block: Block) -> Iterator[str]:
        start = self._start(block, "dns", block.resolvers, "53")
        for head, number, name in zip(start, block.ports, block.indices, strict=True):
            yield (
                f'{head}"dns":{{"version":2,"type":"answer","id":{number},"flags":"8180","qr":true,'
                f'"rd":true,"ra":true,"opcode":0,"rrname":"{self._world.names[name].text}",'
                f'"rrtype":"A","rcode":"NOERROR",{self._answers[name]}}}}}'
            )

    def _answer3(self, block: Block) -> Iterator[str]:
        """In version 3 the resolver is the source of an answer."""
        for when, flow, client, port, server, community, name in zip(
            block.times,
            block.flows,
            block.clients,
            block.ports,
            block.resolvers,
            block.community,
            block.indices,
            strict=True,
        ):
            yield (
                f'{{"timestamp":"{when}","flow_id":{flow},"in_iface":"eth0","event_type":"dns",'
                f'"src_ip":"{server}","src_port":53,"dest_ip":"{client}","dest_port":{port},'
                f'"proto":"UDP","ip_v":4,"pkt_src":"wire/pcap","community_id":"1:{community}",'
                f'"dns":{{"version":3,"type":"response","tx_id":1,"id":{port},"flags":"8180",'
                f'"qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR",'
                f'"queries":[{{"rrname":"{self._world.names[name].text}","rrtype":"A"}}],'
                f"{self._answers[name]}}}}}"
            )

    def _flow(self, block: Block) -> Iterator[str]:
        count = len(block.times)
        apps = [_APPS[number] for number in block.pick((50, 20, 12, 10, 4, 4))]
        packets = block.rng.geometric(0.05, count).tolist()
        for when, flow, client, source, server, community, (port, app), sent in zip(
            block.times,
            block.flows,
            block.clients,
            block.ports,
            block.servers,
            block.community,
            apps,
            packets,
            strict=True,
        ):
            proto = "UDP" if app in {"dns", "quic"} else "TCP"
            yield (
                f'{{"timestamp":"{when}","flow_id":{flow},"in_iface":"eth0","event_type":"flow",'
                f'"src_ip":"{client}","src_port":{source},"dest_ip":"{server}","dest_port":{port},'
                f'"proto":"{proto}"{self._version},"app_proto":"{app}","flow":{{"pkts_toserver":{sent},'
                f'"pkts_toclient":{sent + 3},"bytes_toserver":{sent * 151},'
                f'"bytes_toclient":{sent * 977},"start":"{when}","end":"{when}","age":0,'
                f'"state":"closed","reason":"timeout","alerted":false}},'
                f'"community_id":"1:{community}","tcp":{{"tcp_flags":"1b","tcp_flags_ts":"1b",'
                f'"tcp_flags_tc":"1b","syn":true,"fin":true,"psh":true,"ack":true,'
                f'"state":"closed","ts_max_regions":1,"tc_max_regions":1}}}}'
            )

    def _tls(self, block: Block) -> Iterator[str]:
        """Two in five with a certificate: the others are TLS 1.3, which hides it."""
        start = self._start(block, "tls", block.servers, "443")
        seen = (block.rng.random(len(start)) < 0.4).tolist()
        for head, name, program, plain in zip(
            start, block.names, block.programs, seen, strict=True
        ):
            certificate = (
                f'"subject":"{name.subject}","issuerdn":"{name.issuer}","serial":"{name.serial}",'
                f'"fingerprint":"{name.fingerprint}","sni":"{name.text}","version":"TLS 1.2",'
                f'"notbefore":"2025-05-31T03:52:19","notafter":"2026-08-23T03:52:18",'
                if plain
                else f'"sni":"{name.text}","version":"TLS 1.3",'
            )
            yield (
                f'{head}"tls":{{{certificate}"ja3":{{"hash":"{program.ja3}",'
                f'"string":"{program.ja3_string}"}},"ja3s":{{"hash":"{name.fingerprint[:2]}bf3ecef'
                f'1c987c889946b737b43de8","string":"771,4866,51-43"}},"ja4":"{program.ja4}",'
                f'"client_alpns":["h2","http/1.1"]}}}}'
            )

    def _http(self, block: Block) -> Iterator[str]:
        start = self._start(block, "http", block.servers, "80")
        for head, body in zip(start, self._requests(block), strict=True):
            yield f'{head}"tx_id":0,"http":{{{body}}}}}'

    def _requests(self, block: Block) -> Iterator[str]:
        known = block.rng.integers(0, len(_PATHS), len(block.times)).tolist()
        unique = (block.rng.random(len(known)) < 0.5).tolist()
        methods = block.rng.integers(0, len(_METHODS), len(known)).tolist()
        for name, program, path, once, method, one, two in zip(
            block.names,
            block.programs,
            known,
            unique,
            methods,
            block.hex(),
            block.hex(),
            strict=True,
        ):
            url = f"/assets/{one}/{two}/main.js?v={one}" if once else _PATHS[path]
            yield (
                f'"hostname":"{name.text}","url":"{url}","http_user_agent":"{program.agent}",'
                f'"http_content_type":"text/html","http_refer":"http://{name.text}/",'
                f'"http_method":"{_METHODS[method]}","protocol":"HTTP/1.1","status":200,'
                f'"length":{path * 517 + 80}'
            )

    def _fileinfo(self, block: Block) -> Iterator[str]:
        """Files of downloads: the server is the source."""
        for when, flow, client, port, server, community, body, one, two in zip(
            block.times,
            block.flows,
            block.clients,
            block.ports,
            block.servers,
            block.community,
            self._requests(block),
            block.hex(),
            block.hex(),
            strict=True,
        ):
            salt = one if one < "6000" else "0000"  # three in five are well-known files
            yield (
                f'{{"timestamp":"{when}","flow_id":{flow},"in_iface":"eth0",'
                f'"event_type":"fileinfo","src_ip":"{server}","src_port":80,"dest_ip":"{client}",'
                f'"dest_port":{port},"proto":"TCP"{self._version},"pkt_src":"wire/pcap",'
                f'"community_id":"1:{community}","http":{{{body}}},"app_proto":"http",'
                f'"fileinfo":{{"filename":"/assets/{two}/main.js","gaps":false,"state":"CLOSED",'
                f'"md5":"12b6f91b24cd562c426fee2f{salt}{two}",'
                f'"sha1":"8a3f7f2aa9cd2df8dd9b2750a9c6aec8{salt}{two}",'
                f'"sha256":"db84caf61a8664263fe33a31aff60ca256f84ab1e88d70f753d0769b{salt}{two}",'
                f'"stored":false,"size":1164,"tx_id":0}}}}'
            )

    def _ssh(self, block: Block) -> Iterator[str]:
        for head, program in zip(
            self._start(block, "ssh", block.servers, "22"), block.programs, strict=True
        ):
            yield (
                f'{head}"ssh":{{"client":{{"proto_version":"2.0",'
                f'"software_version":"OpenSSH_9.2p{program.ja3[0]}","hassh":{{"hash":'
                f'"{program.ja3}","string":"curve25519-sha256,diffie-hellman-group14-sha256"}}}},'
                f'"server":{{"proto_version":"2.0","software_version":"OpenSSH_8.4"}}}}}}'
            )

    def _smtp(self, block: Block) -> Iterator[str]:
        start = self._start(block, "smtp", block.servers, "25")
        for head, name, user in zip(start, block.names, block.hex(), strict=True):
            sender = f"user{user[:3]}@{name.text}"
            yield (
                f'{head}"tx_id":0,"smtp":{{"helo":"{name.text}","mail_from":"<{sender}>",'
                f'"rcpt_to":["<staff{user[1:]}@example.org>"]}},"email":{{"from":"\\"A. Person\\"'
                f' <{sender}>","to":["<staff{user[1:]}@example.org>"],"status":"PARSE_DONE",'
                f'"attachment":["invoice-{user}.pdf"]}}}}'
            )

    def _alert(self, block: Block) -> Iterator[str]:
        start = self._start(block, "alert", block.servers, "80")
        for head, when, body in zip(start, block.times, self._requests(block), strict=True):
            yield (
                f'{head}"tx_id":0,"alert":{{"action":"allowed","gid":1,"signature_id":2013028,'
                f'"rev":7,"signature":"ET INFO outbound user agent","category":"Potentially Bad '
                f'Traffic","severity":2}},"http":{{{body}}},"app_proto":"http","direction":'
                f'"to_server","flow":{{"pkts_toserver":4,"pkts_toclient":3,"bytes_toserver":482,'
                f'"bytes_toclient":1377,"start":"{when}"}}}}'
            )


class Block:
    """What the lines of one kind in a block of events are about."""

    def __init__(self, world: World, times: Sequence[str], rng: np.random.Generator) -> None:
        count = len(times)
        self.rng = rng
        self.times = times
        hosts: Sequence[int] = world.some_hosts(rng, count).tolist()
        self.indices: Sequence[int] = world.some_names(rng, count).tolist()
        self.names = [world.names[index] for index in self.indices]
        self.clients = [world.hosts[host] for host in hosts]
        self.programs = [world.programs[world.program_of[host]] for host in hosts]
        self.resolvers = [world.resolvers[host & 3 if host & 8 else 0] for host in hosts]
        self.servers = [
            name.addresses[host % len(name.addresses)]
            for name, host in zip(self.names, hosts, strict=True)
        ]
        self.flows: Sequence[int] = rng.integers(1 << 40, 1 << 51, count).tolist()
        self.ports: Sequence[int] = rng.integers(32_768, 60_999, count).tolist()
        self.community = [world.community[flow & 0x3FFF] for flow in self.flows]

    def hex(self) -> list[str]:
        """Return four random hex digits for each event."""
        return [_HEX[number] for number in self.rng.integers(0, 1 << 16, len(self.times)).tolist()]

    def pick(self, weights: Sequence[int]) -> list[int]:
        """Return a weighted choice for each event."""
        edges = np.cumsum(weights)
        found: Numbers = np.searchsorted(
            edges, self.rng.integers(0, edges[-1], len(self.times)), side="right"
        )
        choices: list[int] = found.tolist()
        return choices


def _answers(name: Name) -> str:
    """The records of an answer, twice: in detail and grouped, as Suricata writes them."""
    owner = name.canonical or name.text
    records = [
        f'{{"rrname":"{owner}","rrtype":"{_rrtype(address)}","ttl":{60 + len(owner)},'
        f'"rdata":"{address}"}}'
        for address in name.addresses
    ]
    grouped: dict[str, list[str]] = {}
    if name.canonical:
        records.insert(
            0,
            f'{{"rrname":"{name.text}","rrtype":"CNAME","ttl":300,"rdata":"{name.canonical}"}}',
        )
        grouped["CNAME"] = [name.canonical]
    for address in name.addresses:
        grouped.setdefault(_rrtype(address), []).append(address)
    groups = ",".join(
        f'"{kind}":[{",".join(map(_quoted, values))}]' for kind, values in grouped.items()
    )
    return f'"answers":[{",".join(records)}],"grouped":{{{groups}}}'


def _rrtype(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _quoted(text: str) -> str:
    return f'"{text}"'
