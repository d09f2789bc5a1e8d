"""Paths into vendor JSON: `a.b.c` and `tags[].name`, compiled into plain functions.

A key that is missing or null on the way gives None. Another type than the path expects is an UnfitError.
A dot that belongs to a key is written `\\.`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import methodcaller
from typing import Any, Final

from syncd.mapping.values import UnfitError

Find = Callable[[Any], Any]
_DOT: Final = re.compile(r"(?<!\\)\.")
_NAME: Final = re.compile(r"[^\s\[\]{}](?:[^\[\]{}]*[^\s\[\]{}])?")


@dataclass(frozen=True, slots=True)
class Segment:
    """One step of a path: a key, and whether its value is a list whose members are meant."""

    key: str
    is_list: bool = False


def parse(text: str) -> tuple[Segment, ...]:
    """Split a path into segments; ValueError says what is wrong with it."""
    return tuple(_segment(part, text) for part in _DOT.split(text))


def _segment(part: str, text: str) -> Segment:
    key = part.removesuffix("[]")
    if not _NAME.fullmatch(key):
        raise ValueError(f"{text!r} is not a path; write keys joined by dots, with [] for a list: a.b or tags[].name")
    return Segment(key.replace("\\.", "."), is_list=key != part)


def compile_path(text: str) -> Find:
    """Return the function that finds `text` in a record's data."""
    segments = parse(text)
    keys = [segment.key for segment in segments]
    if [segment.is_list for segment in segments] == [True, False]:
        return _list_of_keys(keys[0], keys[1])
    if any(segment.is_list for segment in segments):
        return _through_lists(segments)
    if len(keys) == 1:
        return methodcaller("get", keys[0])
    if len(keys) == 2:
        return _two_keys(keys[0], keys[1])
    return _many_keys(tuple(keys))


def compile_first(texts: tuple[str, ...]) -> Find:
    """Return the function that gives the first value found by several paths."""
    finds = tuple(compile_path(text) for text in texts)
    if len(finds) == 1:
        return finds[0]

    def find(data: Any) -> Any:
        for one in finds:
            value = one(data)
            if value is not None:
                return value
        return None

    return find


def _two_keys(first: str, second: str) -> Find:
    def find(data: Any) -> Any:
        inner = data.get(first)
        if type(inner) is dict:
            return inner.get(second)
        return None if inner is None else _member(inner, second, first)

    return find


def _list_of_keys(key: str, inner: str) -> Find:
    """The commonest list path, `tags[].name`, without the machinery of `_through_lists`."""

    def find(data: Any) -> Any:
        members = data.get(key)
        if members is None:
            return None
        found = [
            member.get(inner) if type(member) is dict else _member(member, inner, key)
            for member in _members(members, key)
            if member is not None
        ]
        return [value for value in found if value is not None] if None in found else found

    return find


def _many_keys(keys: tuple[str, ...]) -> Find:
    def find(data: Any) -> Any:
        before = ""
        for key in keys:
            data = _member(data, key, before)
            if data is None:
                return None
            before = key
        return data

    return find


def _through_lists(segments: tuple[Segment, ...]) -> Find:
    """Follow every member of every list; the result is one flat list without nulls, None when no list was there."""

    def find(data: Any) -> Any:
        found: list[Any] = [data]
        before, has_list = "", False
        for segment in segments:
            found = [_member(value, segment.key, before) for value in found]
            if segment.is_list:
                has_list = has_list or any(value is not None for value in found)
                found = [member for value in found if value is not None for member in _members(value, segment.key)]
            found = [value for value in found if value is not None]
            before = segment.key
        return found if has_list else None

    return find


def _member(value: Any, key: str, before: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    hint = f"; write {before}[].{key} for the members of a list" if isinstance(value, list) else ""
    raise UnfitError(value, f"at {before!r} is not an object with a key {key!r}{hint}")


def _members(value: Any, key: str) -> Any:
    if isinstance(value, list):
        return value
    raise UnfitError(value, f"at {key!r} is not a list; leave out the []")
