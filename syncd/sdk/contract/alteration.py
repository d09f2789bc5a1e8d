"""Changing a fake's answers on their way out, for what no fake does by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from syncd.sdk.fake import Answer, Request

Alter = Callable[[Request, Answer], Answer]


def alter_lists(fake: Any, change: Callable[[Answer], Answer]) -> Callable[[], None]:
    """Pass every 200 with records in it through `change` on its way out; call the result to undo."""

    def only_lists(request: Request, answer: Answer) -> Answer:
        holds = answer.status == 200 and any(True for _ in _records_in(answer.body))
        return change(answer) if holds and not is_login(fake, request.path) else answer

    return alter(fake, only_lists)


def alter(fake: Any, change: Alter) -> Callable[[], None]:
    """Pass every answer of `fake` through `change`; call the result to undo."""
    original = fake.handle

    def handle(request: Request) -> Any:
        answer, fault = original(request)
        return change(request, answer), fault

    fake.handle = handle

    def undo() -> None:
        fake.handle = original

    return undo


def is_login(fake: Any, path: str) -> bool:
    """Say whether `path` is one that needs no credentials: where tokens come from."""
    return any(re.fullmatch(public, path) for public in fake.public_paths)


def _records_in(body: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of the outermost lists of a body."""
    if isinstance(body, list):
        yield from (item for item in body if isinstance(item, dict))
    elif isinstance(body, Mapping):
        for value in body.values():
            yield from _records_in(value)
