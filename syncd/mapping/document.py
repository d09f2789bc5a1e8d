"""YAML with line numbers: a tree whose every entry can say where it stands and what is allowed there."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from syncd.errors import ConfigError
from syncd.mapping.values import UnfitError, short, text_of

Scalar = str | int | float | bool | date | None
_SCALAR_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp")
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a file: `content` is a scalar, a list of entries or a dict of entries by key text.

    `path` is the key path that messages show; it differs from the place in the file where that reads better.
    `raw` is a scalar as it is written, so that 007 and 1.10 can be compared as text.
    """

    file: str
    line: int
    path: str
    content: Any
    raw: str = ""

    def named(self, path: str) -> Entry:
        """Return this entry under another key path."""
        return replace(self, path=path)

    def error(self, message: str) -> ConfigError:
        """Return a ConfigError that begins with file, line and key path."""
        return ConfigError(f"{self.file}:{self.line}: {f'{self.path}: ' if self.path else ''}{message}")

    def table(self) -> dict[str, Entry]:
        """Return the entries of a mapping by key; ConfigError when this is no mapping."""
        if not isinstance(self.content, dict):
            raise self.error(f"expected a mapping of keys, got {self.describe()}")
        return {key: child.named(self._under(key)) for key, child in self.content.items()}

    def keys(self, allowed: Collection[str], *, required: Iterable[str] = ()) -> dict[str, Entry]:
        """Return the entries by key; ConfigError for a key that is not `allowed` or a missing `required` one."""
        found = self.table()
        for key, child in found.items():
            if key not in allowed:
                raise child.error(f"unknown key {short(key)}; {suggest(key, allowed)}")
        for key in required:
            if key not in found:
                raise self.error(f"the key {key!r} is missing")
        return found

    def items(self) -> list[Entry]:
        """Return the entries of a list; a single value counts as a list of one."""
        if not isinstance(self.content, list):
            return [self]
        return [child.named(f"{self.path}[{index}]") for index, child in enumerate(self.content)]

    def text(self) -> str:
        """Return a scalar as it is written (true and false in lower case); ConfigError for null, lists and mappings."""
        if self.content is None or isinstance(self.content, (dict, list)):
            raise self.error(f"expected text, got {self.describe()}")
        return text_of(self.content) if isinstance(self.content, bool) else self.raw

    def boolean(self) -> bool:
        """Return true or false; ConfigError for anything else."""
        if not isinstance(self.content, bool):
            raise self.error(f"expected true or false, got {self.describe()}")
        return self.content

    def count(self) -> int:
        """Return a whole number from 1 up; ConfigError for anything else."""
        if not isinstance(self.content, int) or isinstance(self.content, bool) or self.content < 1:
            raise self.error(f"expected a whole number from 1 up, got {self.describe()}")
        return self.content

    def plain(self) -> Any:
        """Return the value without places: scalars, lists and dicts."""
        match self.content:
            case dict():
                return {key: child.plain() for key, child in self.content.items()}
            case list():
                return [child.plain() for child in self.content]
            case _:
                return self.content

    def describe(self) -> str:
        """Return what stands here in a few words, for messages."""
        match self.content:
            case None:
                return "nothing"
            case dict():
                return "a mapping"
            case list():
                return "a list"
            case _:
                return short(self.content)

    def _under(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def suggest(word: str, allowed: Collection[str]) -> str:
    """Return the way out of an unknown word: the closest match and all that is allowed."""
    names = sorted(allowed)
    close = difflib.get_close_matches(word, names, n=1)
    return f"{f'did you mean {close[0]!r}? ' if close else ''}allowed: {', '.join(names)}"


def parse(text: str, file: str) -> Entry:
    """Parse YAML 1.2 into entries; ConfigError with file and line for syntax, duplicate keys and foreign tags."""
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        raise ConfigError(f"{file}:{mark.line + 1 if mark else 1}: not YAML: {err.problem or err.context}") from err
    except (YAMLError, ValueError) as err:
        raise ConfigError(f"{file}:1: not YAML: {str(err).splitlines()[0]}") from err
    if root is None:
        return Entry(file, 1, "", None)
    return _Reader(file, yaml).read(root)


class _Reader:
    """Turns composed nodes into entries; an aliased node is read once, so that aliases cannot multiply."""

    def __init__(self, file: str, yaml: Any) -> None:
        self._file = file
        self._yaml = yaml
        self._seen: dict[int, Entry | None] = {}

    def read(self, node: Node) -> Entry:
        if id(node) in self._seen:
            known = self._seen[id(node)]
            if known is None:
                raise self._entry(node, None).error("an alias that contains itself")
            return known
        self._seen[id(node)] = None
        entry = self._entry(node, self._content(node))
        if isinstance(node, ScalarNode):
            entry = replace(entry, raw=node.value)
        self._seen[id(node)] = entry
        return entry

    def _entry(self, node: Node, content: Any) -> Entry:
        return Entry(self._file, node.start_mark.line + 1, "", content)

    def _content(self, node: Node) -> Any:
        match node:
            case MappingNode():
                return self._mapping(node)
            case SequenceNode():
                return [self.read(child) for child in node.value]
            case _:
                return self._scalar(node)

    def _mapping(self, node: MappingNode) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key in found:
                raise self._entry(key_node, None).error(f"the key {short(key)} stands here twice")
            # The line of the key is the one that a person looks for when the value begins below it.
            found[key] = replace(self.read(value_node), line=key_node.start_mark.line + 1)
        return found

    def _key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            raise self._entry(node, None).error("a key must be plain text")
        key = self.read(node)
        if key.content is None:
            raise key.error("a null key matches nothing; write default: … for what is not found, or quote the key")
        return key.text()

    def _scalar(self, node: Node) -> Scalar:
        entry = self._entry(node, node.value)
        tag = str(node.tag)
        if not isinstance(node, ScalarNode) or tag not in _SCALAR_TAGS:
            raise entry.error(f"the tag {tag} is not allowed; only plain values, lists and mappings are")
        try:
            value: Scalar = self._yaml.constructor.construct_object(node)
            if value is not None:
                text_of(value)
        except (YAMLError, ValueError, OverflowError, UnfitError) as err:
            raise entry.error(f"{short(node.value)} is not a possible value: {err}") from err
        return value
