"""Contract cases on what a vendor's answers may hold: anything, and still nothing is lost or taken for granted."""
# ruff: noqa: S101

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from syncd.errors import ConnectorError
from syncd.sdk.connector import Connector
from syncd.sdk.contract.alteration import alter_lists
from syncd.sdk.contract.harness import AT, ids_of, read_all
from syncd.sdk.contract.reading import IncrementalContract
from syncd.sdk.fake import Answer

EXTRA: Final = "zz_unknown"
ODD_TEXTS: Final = {
    "emoji": "🚀👩‍💻 done",
    "4-byte CJK": "𠮷野家与𠀋，第三方",
    "right to left": "تسليم \u202e txt",
    "control": "a\u0000b\u001fc\u2028d",
    "5 MB": "x" * 5_000_000,
    "number": 2**63 + 0.5,
    "deep": [[[[{"a": [None, True, 1.5]}]]]],
}


class AnswerContract(IncrementalContract):
    """Reads of answers that nobody foresaw."""

    @pytest.mark.parametrize("value", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
    def test_unknown_field_passes_through_as_it_is(
        self, fake: Any, subject: Connector, bulk_stream: str, value: Any
    ) -> None:
        ids = self.populate(fake, bulk_stream, 2, at=AT)
        alter_lists(fake, lambda answer: replace(answer, body=_with_extra(answer.body, [value])))

        pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))

        found = [extra for page in pages for record in page.records for extra in _extras(record.data)]
        assert set(ids) - set(ids_of(pages)) == set()
        assert found
        assert all(extra == value for extra in found)

    def test_record_data_is_json(self, fake: Any, subject: Connector, stream: str) -> None:
        pages = read_all(subject, stream, partition=self.partition(fake, stream))

        for record in (record for page in pages for record in page.records):
            assert json.loads(json.dumps(record.data)) == record.data

    @pytest.mark.parametrize(
        "body", [None, {}, [], {"message": "ok"}, "ok", 7], ids=["nothing", "object", "list", "other", "text", "number"]
    )
    def test_success_of_another_shape_is_an_error(
        self, fake: Any, subject: Connector, bulk_stream: str, body: Any
    ) -> None:
        self.populate(fake, bulk_stream, 2, at=AT)
        partition = self.partition(fake, bulk_stream)
        changed: list[Answer] = []

        def change(answer: Answer) -> Answer:
            if body == [] and isinstance(answer.body, list):
                return answer  # an empty list is what this vendor answers when there is nothing
            changed.append(answer)
            return replace(answer, body=body)

        alter_lists(fake, change)

        error = _error_of(lambda: list(subject.read(bulk_stream, None, partition=partition)))

        assert isinstance(error, ConnectorError) or not changed


def _error_of(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as err:  # noqa: BLE001 whatever it is, the case looks at it
        return err
    return None


def _with_extra(body: Any, value: list[Any]) -> Any:
    """Return `body` with the extra field on every object of its lists, and of the lists in those."""
    if isinstance(body, list):
        return [{**_with_extra(item, value), EXTRA: value[0]} if isinstance(item, dict) else item for item in body]
    if isinstance(body, Mapping):
        return {key: _with_extra(inner, value) for key, inner in body.items()}
    return body


def _extras(data: Any) -> Iterator[Any]:
    if isinstance(data, Mapping):
        if EXTRA in data:
            yield data[EXTRA]
        for key, inner in data.items():
            yield from _extras(inner) if key != EXTRA else ()
    elif isinstance(data, list):
        for inner in data:
            yield from _extras(inner)
