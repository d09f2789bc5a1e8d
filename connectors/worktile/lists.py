"""Worktile's lists: numbered pages from 0 in an order that nobody documents, walked until nothing new turns up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncd.sdk import ApiClient, ContractError, Json, TransientError
from syncd.sdk.paging import page_numbers

PAGE_SIZE: Final = 100
_MAX_WALKS: Final = 4
_LIST_KEYS: Final = ("items", "value")


@dataclass(frozen=True, slots=True)
class Listing:
    """One list to walk: its path, its parameters, and the keys under which a row keeps its id."""

    api: ApiClient
    path: str
    params: Json
    id_keys: tuple[str, ...] = ("_id",)

    def fetch(self, index: int) -> tuple[Sequence[Any], int | None, bool]:
        """Return the rows of page `index`, the vendor's total where it tells one, and whether more follow."""
        reply = self.api.get(self.path, {**self.params, "page_index": index, "page_size": PAGE_SIZE})
        body = reply.json
        fields = body if isinstance(body, Mapping) else {}
        found = next((fields[key] for key in _LIST_KEYS if isinstance(fields.get(key), list)), None)
        if found is None:
            raise ContractError(f"{self.path}: page {index} has neither 'items' nor 'value'", status=reply.status)
        total, more = fields.get("total"), fields.get("has_more")
        # Where the vendor does not say, an empty page is the end: the size of its pages is not known.
        return found, total if isinstance(total, int) else None, bool(found if more is None else more)

    def id_of(self, row: Any) -> str:
        """Return the id of a row; ContractError when it has none."""
        ids = [row.get(key) for key in self.id_keys] if isinstance(row, Mapping) else []
        found = next((value for value in ids if isinstance(value, str) and value), None)
        if found is None:
            raise ContractError(f"{self.path}: an entry of the list has no {' or '.join(self.id_keys)}")
        return found


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one page that were not seen before, by id, and the vendor's total."""

    items: Mapping[str, dict[str, Any]]
    total: int | None


def rows(listing: Listing) -> Iterator[Rows]:
    """Yield every row of a list once.

    What this list does not show counts as deleted, and rows may move while it is read: one that goes missing in front
    of us would be met by no page. So a list of several pages is walked again until a walk shows nothing new.
    TransientError when it never comes to rest, or when fewer rows were seen than the vendor counts.
    """
    seen: set[str] = set()
    for _ in range(_MAX_WALKS):
        known, pages = len(seen), 0
        totals: list[int] = []
        for part in page_numbers(listing.fetch, first=0):
            pages += 1
            totals += [] if part.total is None else [part.total]
            fresh = {listing.id_of(row): row for row in part.items if listing.id_of(row) not in seen}
            seen |= fresh.keys()
            yield Rows(fresh, part.total)
        if pages == 1 or len(seen) == known:
            _check_count(listing, len(seen), min(totals, default=0))
            return
    raise TransientError(f"{listing.path}: new rows in every one of {_MAX_WALKS} walks; the list moves too fast")


def all_rows(listing: Listing) -> Iterator[dict[str, Any]]:
    """Yield every row of a list."""
    for part in rows(listing):
        yield from part.items.values()


def _check_count(listing: Listing, seen: int, total: int) -> None:
    if seen < total:
        raise TransientError(f"{listing.path}: only {seen} of {total} rows were seen; nothing is taken for deleted")
