"""What a digest shows, in its language and in order, before it takes the shape of mail, Markdown or plain text.

Every string is one line and already worded; text that came from a vendor is cleaned but not escaped.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list: `title`, what else is known in `notes`, the date in `when`; `is_late` marks it."""

    title: str
    notes: tuple[str, ...] = ()
    when: str = ""
    url: str | None = None
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Entries under one milestone, or under none."""

    entries: tuple[Entry, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The milestones: names of the columns, then one row each; the first cell of a row is an entry."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """How far: `percent` of 100, the words beside it."""

    percent: int
    words: str


@dataclass(frozen=True, slots=True)
class Block:
    """One part of the digest. `kind` is its name in the templates; `count` stands beside the title.

    It holds some of: a bar, sentences, groups of entries, a table; `more` says how many entries are left out.
    """

    kind: str
    title: str
    count: int | None = None
    bar: Bar | None = None
    sentences: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    table: Table | None = None
    more: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """A whole digest. `banner` says what makes the data doubtful; a quiet one has `quiet` sentences and no blocks.

    `own_addresses` are those in the foot that the client may write to.
    """

    locale: str
    subject: str
    preheader: str
    account: str
    project: str
    report: str
    head: tuple[str, ...]
    banner_title: str = ""
    banner: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    foot_title: str = ""
    foot: tuple[str, ...] = ()
    own_addresses: tuple[str, ...] = ()
