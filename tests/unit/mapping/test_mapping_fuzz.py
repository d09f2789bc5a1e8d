"""Whatever a vendor sends, a record becomes an entity, is skipped, or is parked with a MappingError."""

import copy
import pickle
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.errors import MappingError
from syncd.mapping import loader
from syncd.mapping.transforms import TRANSFORMS
from syncd.model.entities import Entity
from syncd.sdk import Record

FILE = r"""
version: 1
connector: acme
pull:
  - stream: tasks
    entity: Task
    when: {path: a, not_in: [b]}
    fields:
      key: b
      title: {from: [a, b.a, "c[].a"], default: none}
      description: {from: b, transform: html_to_text}
      type: {template: "{a}-{b.c}"}
      status:
        - {from: "c[].a", transform: [lower, {first_in: {a: blocked}}]}
        - {from: a, values: {"": todo, a: done, true: todo, 0: todo}, default: todo}
      project: {from: a, transform: [{url_tail: {parts: 1}}, {ref: {stream: p}}]}
      milestone: {from: a, transform: [{url_after: {segment: a, parts: 1}}, {ref: {stream: m}}]}
      assignee: {from: b, transform: {ref: {stream: users}}}
      start_date: {from: b, transform: date_part}
      due_date: {from: a, transform: unix_seconds_to_date}
      completed_at: {from: [b.a, a], transform: iso_to_datetime}
      created_at: {from: c, transform: unix_seconds_to_datetime}
      updated_at: {from: b, transform: unix_millis_to_datetime}
      deleted_at: b
      estimate_hours: a
      spent_hours: {from: b, transform: number}
      percent_complete: {from: c, transform: percent_fraction_to_percent}
      labels: "c[].b[].a"
      priority: {from: c, transform: [{join: {by: ","}}, {truncate: {max: 3}}]}
      custom_fields: [{from: b, transform: {pairs: {key: a, value: b}}}, c]
  - stream: tasks
    entity: Opportunity
    when: [{path: b, exists: true}, {path: "c[].a", contains: [a, 1]}]
    fields:
      name: {from: a, transform: [strip, text], default: n}
      amount: b
      probability: {from: a, transform: percent_to_fraction}
      close_date:
        - {from: c, transform: datetime_to_date}
        - {from: a, transform: unix_millis_to_date}
        - {from: b, transform: iso_to_date}
      stage: {from: a, transform: domain}
      currency: {from: b, transform: email}
"""
KEYS = st.sampled_from(["a", "b", "c"]) | st.text(max_size=3)
TEXTS = st.sampled_from(
    ["", " ", "a", "b", "2026-06-30", "2026-06-30T10:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
     "99999-01-01", "1e999999999", "NaN", "Infinity", "-0", "http://[", "https://a.test/x", "a@b", "&#99999999999;",
     "<p", "\ud800", "\x00", "٣", "1" * 5000]
)  # fmt: skip
# Larger ones cannot even be printed by the test; test_mapping_apply has one.
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 10**400, -(10**400), 1e308, 2**53, 10**17, 1767225600000])
SCALARS = st.none() | st.booleans() | NUMBERS | st.text() | TEXTS | st.datetimes().map(lambda d: d.isoformat())
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=12)
ZONES = [ZoneInfo(name) for name in ("Asia/Shanghai", "Pacific/Kiritimati", "America/Los_Angeles")]
MAPPING = loader.parse(FILE.encode(), connector="acme", path=Path("acme.yaml"))


def outcome(data: Any, zone: ZoneInfo) -> Entity | str | None:
    try:
        return MAPPING.entity(Record("tasks", "1", data), connection="c", timezone=zone)
    except MappingError as err:
        return str(err)


def test_the_fuzzed_file_uses_every_transform() -> None:
    used = {name for name in TRANSFORMS if name in FILE}

    assert used == set(TRANSFORMS)


@settings(max_examples=150)
@given(data=JSON | st.dictionaries(KEYS, JSON), zone=st.sampled_from(ZONES))
def test_any_json_is_mapped_skipped_or_parked(data: Any, zone: ZoneInfo) -> None:
    found = outcome(data, zone)

    if isinstance(found, str):
        assert "acme.yaml → tasks" in found
        assert len(found) < 600
        assert "\n" not in found
        assert found.encode()
    elif found is not None:
        assert found.ref.remote_id == "1"


@settings(max_examples=100)
@given(field=st.sampled_from(["a", "b", "c"]), value=SCALARS, zone=st.sampled_from(ZONES))
def test_any_single_value_is_mapped_skipped_or_parked(field: str, value: Any, zone: ZoneInfo) -> None:
    found = outcome({field: value}, zone)

    assert found is None or isinstance(found, (str, Entity))


@given(data=st.dictionaries(KEYS, JSON))
def test_the_same_record_gives_the_same_outcome_and_is_left_alone(data: dict[str, Any]) -> None:
    before = copy.deepcopy(data)

    first, second = outcome(data, ZONES[0]), outcome(data, ZONES[0])

    assert pickle.dumps(first) == pickle.dumps(second)
    assert pickle.dumps(data) == pickle.dumps(before)
