"""A message over a real webhook and a real mail server; failures are told without secrets."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from vedette.errors import ConfigError
from vedette.notify.sending import check, send
from vedette.notify.targets import Target
from vedette.store.messages import Message
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Response
from vedette.testing.smtp import SmtpServer

MESSAGE = Message(kind="hit", title="Vedette: evil[.]example", body="line one\n  line <two>")
SECRET = "T0kenThatNobodyMaySee"


def target(url: str) -> Target:
    return Target(3, url.partition(":")[0], url)


def test_a_webhook_gets_it() -> None:
    with LoopbackServer(lambda _: Response(200)) as server:
        assert send(target(f"{server.url.replace('http', 'json', 1)}/{SECRET}"), MESSAGE) == ""
        (request,) = server.requests
        document = json.loads(request.body)
        assert request.path == f"/{SECRET}"
        assert (document["title"], document["message"]) == (MESSAGE.title, MESSAGE.body)
        assert document["type"] == "warning"


@pytest.mark.parametrize(
    "fault", [Fault(FaultKind.STATUS, status=500), Fault(FaultKind.CLOSE)], ids=lambda f: f.kind
)
def test_a_webhook_that_fails_is_said_without_its_secret(
    fault: Fault, capfd: pytest.CaptureFixture[str]
) -> None:
    with LoopbackServer(lambda _: Response(200)) as server:
        server.faults.add(fault)
        url = f"{server.url.replace('http://', 'json://user:pa55word@', 1)}/{SECRET}"
        error = send(target(url), MESSAGE)
    printed = capfd.readouterr()
    assert error
    for secret in (SECRET, "pa55word"):
        assert secret not in error + printed.out + printed.err


def test_a_mail_server_gets_it_and_one_that_refuses_is_said() -> None:
    with SmtpServer() as server:
        url = (
            f"mailto://127.0.0.1:{server.port}?smtp=127.0.0.1&mode=insecure"
            "&from=vedette@test.example&to=soc@test.example"
        )
        assert send(target(url), MESSAGE) == ""
        (mail,) = server.mails
        assert mail["Subject"] == MESSAGE.title
        assert "soc@test.example" in mail["To"]
        body = mail.get_body(("plain", "html"))
        assert body is not None
        text = body.get_content()
        assert "line one" in text
        assert "<two>" not in text or body.get_content_type() == "text/plain"
        server.refuses = True
        assert send(target(url), MESSAGE)
        assert len(server.mails) == 1


def test_a_url_that_apprise_does_not_know_is_refused_without_being_shown() -> None:
    for url in (f"nonsense://{SECRET}", "slack://"):
        with pytest.raises(ConfigError, match="line 3") as refused:
            check(target(url))
        assert SECRET not in str(refused.value)
    assert "not understood" in send(target(f"nonsense://{SECRET}"), MESSAGE)


def test_apprise_is_not_imported_until_something_is_sent() -> None:
    code = "import sys, vedette.cli, vedette.notify.sending; sys.exit('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
