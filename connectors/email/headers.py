"""Mail headers that cannot be broken out of: addresses checked, text encoded once, tokens never split or re-encoded.

The standard library parses and refolds structured headers when it writes them. Its refolding has lost quotes and
encoded long ids in the past, which turns a display name into a second recipient. So everything that holds outside
text is made of finished ASCII tokens here, and `TokenHeader` only puts them on lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import policy
from email.header import Header
from email.headerregistry import HeaderRegistry
from email.policy import EmailPolicy
from typing import Any, ClassVar, Final, Literal, cast

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LOCAL_UTF8: Final = re.compile(r"[^\s.@<>()\[\]\\,;:\"\x00-\x20\x7f]+(?:\.[^\s.@<>()\[\]\\,;:\"\x00-\x20\x7f]+)*")
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NAMED: Final = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>\s*")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9 -]+")
# Everything that ends a line for some program (str.splitlines included), and the other control characters but TAB.
_BREAKING: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_MESSAGE_ID: Final = re.compile(r"<[^<>\s@\x00-\x20\x7f-\uffff]+@[^<>\s@\x00-\x20\x7f-\uffff]+>")
_LONGEST_WORD: Final = 60  # so that one fits beside the header's name
_LONGEST_LINE: Final = 76  # RFC 2047 section 2, for lines with encoded words


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A checked address with its display name; the domain is in the form that goes over the wire."""

    local: str
    domain: str
    name: str = ""

    @property
    def address(self) -> str:
        """The address as it is written in the envelope."""
        return f"{self.local}@{self.domain}"

    def __str__(self) -> str:
        return f"{phrase(self.name)} <{self.address}>" if self.name else self.address


def mailbox(text: str, name: str = "") -> Mailbox:
    """Read `address` or `Name <address>`; ValueError says what is wrong with it."""
    one_header_line(text)
    if named := _NAMED.fullmatch(text):
        name = name or named["name"].strip('" ')
        text = named["address"]
    local, at, domain = text.strip().rpartition("@")
    if not at or not _LOCAL_UTF8.fullmatch(local) or (local.isascii() and not _LOCAL.fullmatch(local)):
        raise ValueError(f"{text[:100]!r} is not one e-mail address")
    if len(local.encode()) > 64:
        raise ValueError(f"{text[:100]!r}: the part before the @ is longer than 64 bytes")
    return Mailbox(local, _wire_domain(domain), one_header_line(name))


def one_header_line(text: str) -> str:
    """Return `text` with runs of blanks made one; ValueError when it holds a line break or a control character."""
    if found := _BREAKING.search(text):
        raise ValueError(f"a line break or control character (U+{ord(found[0]):04X}) is not allowed in a header")
    return " ".join(text.split())


def encoded(text: str) -> str:
    """Return `text` as header tokens: itself when it is plain ASCII words, else RFC 2047 encoded words."""
    words = text.split()
    if text.isascii() and "=?" not in text and all(len(word) <= _LONGEST_WORD for word in words):
        return " ".join(words)
    return _encoded_words(text)


def phrase(name: str) -> str:
    """Return a display name: letters and digits as they are, everything else encoded, so nothing needs quoting."""
    words = name.split()
    if _PLAIN_NAME.fullmatch(name) and all(len(word) <= _LONGEST_WORD for word in words):
        return " ".join(words)
    return _encoded_words(name)


def message_id(text: str) -> str:
    """Return a Message-ID as it is; ValueError when it is not one."""
    if not _MESSAGE_ID.fullmatch(text) or len(text) > 250:
        raise ValueError(f"{text[:100]!r} is not a Message-ID such as <id@agency.example>")
    return text


class TokenHeader:
    """A header of ready tokens, separated by single blanks, for `HeaderRegistry`: folded between tokens only."""

    max_count: ClassVar[Literal[1]] = 1
    name: str

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Take the value as it is: there is no tree, as nothing is left to parse."""
        kwds["parse_tree"] = None
        kwds["decoded"] = value

    def fold(self, *, policy: EmailPolicy) -> str:
        """Return the header with its tokens on lines of at most 76 characters, longer tokens on lines of their own."""
        lines = [f"{self.name}:"]
        for position, token in enumerate(str(self).split()):
            if position and len(lines[-1]) + 1 + len(token) > _LONGEST_LINE:
                lines.append("")
            lines[-1] += f" {token}"
        return policy.linesep.join(lines) + policy.linesep


def _registry() -> HeaderRegistry:
    registry = HeaderRegistry()
    for name in (
        *("from", "to", "reply-to", "subject", "message-id", "in-reply-to", "references"),
        *("list-id", "list-unsubscribe", "list-unsubscribe-post"),
    ):
        registry.map_to_type(name, cast(Any, TokenHeader))
    return registry


# 7bit: the body survives servers without 8BITMIME, and a relay has no reason to re-code what DKIM has signed.
POLICY: Final = policy.SMTP.clone(cte_type="7bit", header_factory=_registry())


def _encoded_words(text: str) -> str:
    return " ".join(Header(" ".join(text.split()), "utf-8", maxlinelen=_LONGEST_WORD).encode().split())


def _wire_domain(domain: str) -> str:
    """Return the ASCII form of a domain; ValueError when it is none or when IDNA 2003 and 2008 name different hosts."""
    try:
        wire = domain.encode("idna").decode("ascii")
        # "straße.example" would become another company's "strasse.example" (RFC 5894 section 7.2).
        if wire.encode("ascii").decode("idna").casefold() != domain.lower():
            raise ValueError(f"{domain[:100]!r} is ambiguous; write it in its xn-- form")
    except UnicodeError as err:
        raise ValueError(f"{domain[:100]!r} is not a domain") from err
    labels = wire.split(".")
    if len(wire) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{domain[:100]!r} is not a domain")
    return wire
