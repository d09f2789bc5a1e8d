"""PingCode's lists: numbered pages from 0, no sort parameters, rows that move while they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from syncd.sdk import ApiClient, ContractError, Json, Reply, TransientError
from syncd.sdk.paging import page_numbers

PAGE_SIZE: Final = 100
_MAX_WALKS: Final = 3
_NEVER: Final = object()


class Listing:
    """One list to walk, by GET with `params` or by a search POST with `search`.

    `vendor_time` is the vendor's clock at its first answer, when that told.
    """

    def __init__(
        self, api: ApiClient, path: str, params: Mapping[str, Any] | None = None, *, search: Json | None = None
    ) -> None:
        self.path = path
        self.vendor_time: datetime | None = None
        self._api = api
        self._params = params or {}
        self._search = search

    def fetch(self, index: int) -> tuple[Sequence[Any], int, bool]:
        """Return the items of page `index`, the vendor's total, and whether more follow."""
        reply = self._ask(index)
        self.vendor_time = self.vendor_time or reply.date
        body = reply.json
        items, total = (body.get("values"), body.get("total")) if isinstance(body, Mapping) else (None, None)
        if not isinstance(items, list) or not isinstance(total, int):
            raise ContractError(f"{self.path}: page {index} lacks 'values' or 'total'", status=reply.status)
        # The server may give smaller pages than asked for; its own figure is the one that counts.
        size = body.get("page_size")
        size = size if isinstance(size, int) and size > 0 else PAGE_SIZE
        return items, total, (index + 1) * size < total

    def _ask(self, index: int) -> Reply:
        window = {"page_index": index, "page_size": PAGE_SIZE}
        if self._search is None:
            return self._api.get(self.path, {**self._params, **window})
        return self._api.search(self.path, {"mode": "query", "payload": {**self._search, **window}})


@dataclass(frozen=True, slots=True)
class Rows:
    """New rows of one page; `done` on the last one, when as many rows were seen as the vendor counts."""

    items: list[dict[str, Any]]
    total: int
    done: bool


def rows(listing: Listing) -> Iterator[Rows]:
    """Yield the rows of a list, each state of each row once.

    A row that moves to the front while the list is read is missed by its page, and the vendor's total tells: then the
    list is walked again. TransientError when rows are still missing after three walks.
    """
    seen: dict[str, Any] = {}
    expected = 0
    for _ in range(_MAX_WALKS):
        totals: list[int] = []
        for part in page_numbers(listing.fetch, first=0):
            totals.append(part.total or 0)
            expected = min(totals)  # rows that came later are the next read's
            fresh = [item for item in part.items if _is_new(item, seen, listing.path)]
            done = part.last and len(seen) >= expected
            yield Rows(fresh, totals[-1], done=done)
            if done:
                return
    raise TransientError(f"{listing.path}: only {len(seen)} of {expected} rows were seen; the list moves too fast")


def all_items(listing: Listing) -> Iterator[dict[str, Any]]:
    """Yield every row of a list."""
    for part in rows(listing):
        yield from part.items


def _is_new(item: Any, seen: dict[str, Any], path: str) -> bool:
    """Note `item` as seen; say whether it, or this state of it, was not."""
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        raise ContractError(f"{path}: an entry of the list has no id")
    state = item.get("updated_at")
    if seen.get(item["id"], _NEVER) == state:
        return False
    seen[item["id"]] = state
    return True
