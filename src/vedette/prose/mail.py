"""The text of an e-mail: its parts decoded, without its headers and attachments.

Headers are left out because they name the servers of everybody who passed the message on.
"""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import NamedTuple

_IS_MESSAGE = re.compile(
    rb"(?:(?:[A-Za-z][A-Za-z0-9-]*:[^\n]*|[ \t]+[^\n]*)\r?\n)*"
    rb"(?:Received|MIME-Version|Message-ID|Subject):",
    re.IGNORECASE,
).match
HEAD = 8_192
"""Bytes at the beginning that tell a message from another text."""


def is_mail(document: bytes) -> bool:
    """Whether a document begins with the headers of a message."""
    return _IS_MESSAGE(document[:HEAD]) is not None and b"\nFrom:" in b"\n" + document[:HEAD]


class Mail(NamedTuple):
    """What a message holds."""

    text: str
    attachments: list[str]
    """The names, or types, of the parts that were not read."""


def read_mail(document: bytes) -> Mail:
    """Return the text of a message; of several forms of the same part, the plain one."""
    mail = Mail("", [])
    texts = _texts(message_from_bytes(document, policy=policy.default), mail.attachments)
    return mail._replace(text="\n".join(texts))


def _texts(message: EmailMessage, attachments: list[str]) -> list[str]:
    if message.get_content_type() == "multipart/alternative":
        body = message.get_body(("plain", "html"))
        return [_content(body)] if isinstance(body, EmailMessage) else []
    if message.is_multipart():
        return [
            text
            for part in message.iter_parts()
            if isinstance(part, EmailMessage)
            for text in _texts(part, attachments)
        ]
    if message.get_content_maintype() == "text" and not message.is_attachment():
        return [_content(message)]
    attachments.append(message.get_filename() or message.get_content_type())
    return []


def _content(part: EmailMessage) -> str:
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError, ValueError):
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
