"""A mail server on loopback that keeps what it is given, for tests."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from email.message import EmailMessage
from typing import Self


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    owner: SmtpServer


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Answer commands until the client leaves."""
        self._say("220 mail.test")
        while line := self.rfile.readline():
            if not self._answer(line.decode().strip().upper()):
                return

    def _answer(self, command: str) -> bool:
        if command.startswith("DATA"):
            self._say("354 go on")
            self._keep()
        elif command.startswith("QUIT"):
            self._say("221 bye")
            return False
        elif command.startswith("RCPT") and self.server.owner.refuses:
            self._say("550 no such user")
        else:
            self._say("250 fine")
        return True

    def _keep(self) -> None:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        if isinstance(mail, EmailMessage):  # it is, by this policy
            self.server.owner.mails.append(mail)
        self._say("250 kept")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class SmtpServer:
    """Takes mail for the time of a ``with``; ``refuses`` makes it answer 550 to each of them."""

    def __init__(self) -> None:
        """Bind the port."""
        self.mails: list[EmailMessage] = []
        self.refuses = False
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
