"""Records become entities; a record that does not fit says why, and where the mapping says so."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from textwrap import dedent, indent
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from syncd.errors import MappingError
from syncd.mapping import loader
from syncd.mapping.apply import Mapping
from syncd.model.entities import ENTITIES, Entity, Holder, Milestone, Ref, Task, TaskStatus, Visibility
from syncd.sdk import Record

SHANGHAI = ZoneInfo("Asia/Shanghai")
WORK_ITEMS = """
version: 1
connector: pingcode
pull:
  - stream: work_items
    entity: Milestone
    when: {path: type, in: [milestone]}
    fields:
      name: title
      due_date: {from: end_at, transform: unix_seconds_to_date}
  - stream: work_items
    entity: Task
    when: [{path: type, not_in: [epic]}, {path: is_deleted, in: 0}]
    fields:
      key: {from: identifier, required: true}
      title: {from: title, required: true}
      project: {from: project.id, transform: ref, args: {stream: projects}}
      status:
        - {from: "tags[].name", transform: {first_in: {阻塞: blocked}}}
        - {from: state.type, values: {pending: todo, in_progress: in_progress, completed: done, closed: cancelled}}
      remote_status: state.name
      due_date: {from: end_at, transform: unix_seconds_to_date}
      completed_at: {from: completed_at, transform: unix_seconds_to_datetime}
      labels: "tags[].name"
      holder: {from: holder, default: us}
      custom_fields: properties
"""
TASK: dict[str, Any] = {
    "type": "task",
    "is_deleted": 0,
    "identifier": "PINGCODE-1187",
    "title": "登录页",
    "project": {"id": "p1"},
    "state": {"type": "in_progress", "name": "开发中"},
    "end_at": 1767196800,
    "completed_at": None,
    "tags": [{"name": "前端"}, {"name": None}, None],
    "properties": {"prop_a": "x", "prop_b": [1, 2]},
}


def parse(text: str) -> Mapping:
    return loader.parse(text.encode(), connector="pingcode", path=Path("x"), label="mappings/pingcode.yaml")


def mapped(data: Any, text: str = WORK_ITEMS, stream: str = "work_items", **record: Any) -> Entity | None:
    return parse(text).entity(Record(stream, "id-9", data, **record), connection="delivery", timezone=SHANGHAI)


def one_field(entity: str, text: str, data: Any) -> Entity:
    needed = {"Task": "title: {const: t}\nstatus: {const: todo}\n"}.get(entity, "name: {const: n}\n")
    file = f"version: 1\nconnector: pingcode\npull:\n  - stream: s\n    entity: {entity}\n    fields:\n"
    found = mapped(data, file + indent(dedent(needed + text), "      "), "s")
    assert found is not None
    return found


def refusal(data: Any, text: str = WORK_ITEMS, stream: str = "work_items") -> str:
    with pytest.raises(MappingError) as caught:
        mapped(data, text, stream)
    return str(caught.value)


def test_a_record_becomes_an_entity() -> None:
    task = mapped(TASK)

    assert task == Task(
        id="4d58637f-83a8-5119-98b7-abe6ba700fdf",
        ref=Ref(connection="delivery", stream="work_items", remote_id="id-9"),
        key="PINGCODE-1187",
        title="登录页",
        project="397635da-e7db-56b7-befc-4ddf385b7307",
        status=TaskStatus.IN_PROGRESS,
        remote_status="开发中",
        due_date=date(2026, 1, 1),
        labels=["前端"],
        holder=Holder.US,
        custom_fields={"prop_a": "x", "prop_b": [1, 2]},
        visibility=Visibility.INTERNAL,
    )


def test_the_first_rule_that_holds_makes_the_entity() -> None:
    milestone = mapped({**TASK, "type": "milestone"})

    assert isinstance(milestone, Milestone)
    assert milestone.name == "登录页"


@pytest.mark.parametrize("over", [{"type": "epic"}, {"is_deleted": 1}, {"is_deleted": None}])
def test_a_record_that_no_rule_takes_is_skipped(over: dict[str, Any]) -> None:
    assert mapped({**TASK, **over}) is None


def test_a_stream_without_rules_is_skipped() -> None:
    assert mapped(TASK, stream="comments") is None


def test_the_first_alternative_that_gives_a_value_wins() -> None:
    task = mapped({**TASK, "tags": [{"name": "阻塞"}]})

    assert isinstance(task, Task)
    assert task.status is TaskStatus.BLOCKED


def test_a_missing_optional_field_costs_that_field_only() -> None:
    task = mapped({"is_deleted": 0, "identifier": "A-1", "title": "t", "state": {"type": "pending"}})

    assert isinstance(task, Task)
    assert (task.project, task.due_date, task.labels, task.custom_fields) == (None, None, [], {})


def test_updated_at_and_a_tombstone_come_from_the_record() -> None:
    moment = datetime(2026, 6, 30, tzinfo=UTC)

    task = mapped(TASK, updated_at=moment, deleted=True)

    assert task is not None
    assert (task.updated_at, task.deleted_at) == (moment, moment)


def test_a_value_that_is_not_in_the_table_parks_the_record_and_is_named() -> None:
    with pytest.raises(MappingError) as caught:
        mapped({**TASK, "state": {"type": "待验收"}})

    assert str(caught.value) == (
        'PINGCODE-1187: state.type "待验收" has no entry in mappings/pingcode.yaml → work_items.status[1].values '
        "(it knows pending, in_progress, completed, closed)"
    )
    assert (caught.value.field, caught.value.value) == ("status", '"待验收"')


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        (
            {"end_at": "soon"},
            (
                'PINGCODE-1187: end_at "soon" is not a number such as 1200 or 12.50 (no thousands separators) '
                "in mappings/pingcode.yaml → work_items.due_date"
            ),
        ),
        (
            {"project": "p1"},
            (
                "PINGCODE-1187: project.id \"p1\" at 'project' is not an object with a key 'id' "
                "in mappings/pingcode.yaml → work_items.project"
            ),
        ),
        (
            {"project": [{"id": 1}]},
            (
                "PINGCODE-1187: project.id a list of 1 at 'project' is not an object with a key 'id'; "
                "write project[].id for the members of a list in mappings/pingcode.yaml → work_items.project"
            ),
        ),
        (
            {"tags": {"name": "a"}},
            (
                "PINGCODE-1187: tags[].name an object at 'tags' is not a list; leave out the [] "
                "in mappings/pingcode.yaml → work_items.status[0]"
            ),
        ),
        (
            {"title": None},
            "PINGCODE-1187: title gives nothing, and is required in mappings/pingcode.yaml → work_items.title",
        ),
        (
            {"state": None},
            (
                "PINGCODE-1187: tags[].name, state.type gives nothing, and is required "
                "in mappings/pingcode.yaml → work_items.status[0]"
            ),
        ),
        (
            {"title": True},
            (
                "PINGCODE-1187: title true is not text; use the transform text, or a value table "
                "in mappings/pingcode.yaml → work_items.title"
            ),
        ),
        (
            {"identifier": None},
            "id-9: identifier gives nothing, and is required in mappings/pingcode.yaml → work_items.key",
        ),
        (
            {"identifier": "A\n2026 forged=1"},
            (
                'A\\n2026 forged=1: end_at "x" is not a number such as 1200 or 12.50 (no thousands separators) '
                "in mappings/pingcode.yaml → work_items.due_date"
            ),
        ),
        (
            {"type": {"a": 1}},
            "PINGCODE-1187: type an object is not a single value in mappings/pingcode.yaml → work_items.when",
        ),
        (
            {"properties": [1]},
            (
                "PINGCODE-1187: properties a list of 1 is not an object "
                "in mappings/pingcode.yaml → work_items.custom_fields"
            ),
        ),
    ],
)
def test_a_record_that_does_not_fit_says_why(over: dict[str, Any], expected: str) -> None:
    data = {**TASK, **({"end_at": "x"} if "forged" in str(over) else {}), **over}

    assert refusal(data) == expected


@pytest.mark.parametrize(("data", "shown"), [([], "a list of 0"), ("text", '"text"'), (1, "1"), (None, "null")])
def test_data_that_is_no_object_parks_the_record(data: Any, shown: str) -> None:
    assert refusal(data) == f"id-9: the record {shown} is not an object in mappings/pingcode.yaml → work_items"


def test_a_long_value_is_shortened() -> None:
    found = refusal({**TASK, "state": {"type": "x" * 5_000_000}})

    assert f'state.type "{"x" * 59}…" has no entry' in found


def test_a_range_that_the_model_sets_is_held() -> None:
    with pytest.raises(MappingError) as caught:
        one_field("Opportunity", "probability: p", {"p": 60})

    assert str(caught.value) == (
        "id-9: probability 60.0 does not fit: Input should be less than or equal to 1 "
        "in mappings/pingcode.yaml → s.probability"
    )


@pytest.mark.parametrize(
    ("entity", "text", "data", "name", "expected"),
    [
        ("Task", "key: n", {"n": 12}, "key", "12"),
        ("Task", "key: n", {"n": 12.0}, "key", "12"),
        ("Task", "key: {template: '#{n}'}", {"n": 12}, "key", "#12"),
        ("Task", "key: {template: '{{{n}}}'}", {"n": 12}, "key", "{12}"),
        ("Task", "key: {template: '{a} {n}', default: none}", {"n": 12}, "key", "none"),
        ("Task", "key: {from: [a.b, c, d]}", {"a": {}, "c": None, "d": "x"}, "key", "x"),
        ("Task", "key: a.b.c", {"a": {"b": {"c": "x"}}}, "key", "x"),
        ("Task", "key: a.b.c", {"a": {"b": None}}, "key", None),
        ("Task", r"key: 'a\.b'", {"a.b": "x"}, "key", "x"),
        ("Task", "key: {from: [a, b]}", {"a": "", "b": "x"}, "key", ""),
        ("Task", "labels: 'a[].b[].c'", {"a": [{"b": [{"c": "x"}]}, {"b": None}, {}]}, "labels", ["x"]),
        ("Task", "labels: 'a[]'", {"a": ["x", None, 1]}, "labels", ["x", "1"]),
        ("Task", "labels: a", {"a": "x"}, "labels", ["x"]),
        ("Task", "labels: {from: 'a[]', values: {x: X, y: null}}", {"a": ["x", "y"]}, "labels", ["X"]),
        ("Task", "labels: {from: a, values: {x: X}}", {"a": "x"}, "labels", ["X"]),
        ("Task", "labels: {const: [x]}", {}, "labels", ["x"]),
        ("Task", "priority: {from: a, values: {true: high, no: low}}", {"a": True}, "priority", "high"),
        ("Task", "priority: {from: a, values: {true: high, no: low}}", {"a": "no"}, "priority", "low"),
        ("Task", "priority: {from: a, values: {1: high, 2: low}}", {"a": 2}, "priority", "low"),
        ("Task", "priority: {from: a, values: {1: high, 2: low}}", {"a": 2.0}, "priority", "low"),
        ("Task", "priority: {from: a, values: {007: high}}", {"a": "007"}, "priority", "high"),
        ("Task", "priority: {from: a, values: {1.10: high}}", {"a": "1.10"}, "priority", "high"),
        ("Task", "priority: {from: a, values: {2026-06-30: high}}", {"a": "2026-06-30"}, "priority", "high"),
        ("Task", "priority: {from: a, values: {'': low}}", {"a": ""}, "priority", "low"),
        ("Task", "priority: {from: a, values: {x: null}, default: low}", {"a": "x"}, "priority", "low"),
        ("Task", "priority: {from: a, transform: lower, values: {x: low}}", {"a": "X"}, "priority", "low"),
        ("Task", "due_date: a", {"a": "2026-06-30"}, "due_date", date(2026, 6, 30)),
        ("Task", "due_date: {const: 2026-06-30}", {}, "due_date", date(2026, 6, 30)),
        (
            "Task",
            "completed_at: a",
            {"a": "2026-06-30T12:00:00+08:00"},
            "completed_at",
            datetime(2026, 6, 30, 4, tzinfo=UTC),
        ),
        ("Task", "estimate_hours: a", {"a": "1.5"}, "estimate_hours", 1.5),
        ("Task", "estimate_hours: a", {"a": ""}, "estimate_hours", None),
        ("Task", "holder: a", {"a": "client"}, "holder", Holder.CLIENT),
        ("Task", "visibility: {const: client}", {}, "visibility", Visibility.CLIENT),
        ("Opportunity", "amount: a", {"a": 0.1}, "amount", Decimal("0.1")),
        ("Opportunity", "amount: a", {"a": "210000.00"}, "amount", Decimal("210000.00")),
        ("Opportunity", "probability: {from: a, transform: percent_to_fraction}", {"a": 60}, "probability", 0.6),
    ],
)
def test_a_spec_gives_the_fields_value(entity: str, text: str, data: Any, name: str, expected: Any) -> None:
    found = getattr(one_field(entity, text, data), name)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("entity", "text", "value", "problem"),
    [
        ("Task", "due_date: a", "2026-06-30T00:00:00Z", "it has a time: use date_part or datetime_to_date"),
        ("Task", "due_date: a", 1767225600, "1767225600 is not a date such as 2026-06-30"),
        ("Task", "due_date: {from: a, transform: iso_to_datetime}", "2026-06-30", "is a time, where a date is wanted"),
        ("Task", "completed_at: a", "2026-06-30T00:00:00", "has no offset from UTC; use iso_to_datetime"),
        ("Task", "completed_at: {from: a, transform: date_part}", "2026-06-30", "is a date, where a time is wanted"),
        ("Task", "estimate_hours: a", True, "true is not a number"),
        ("Task", "estimate_hours: a", 10**400, "a huge number is too large"),
        ("Task", "key: a", {"x": 1}, "an object is not a single value"),
        ("Task", "holder: a", "them", "is not one of us, client, third_party; add a table under `values`"),
        ("Task", "priority: {from: a, values: {x: y}}", {"x": 1}, "an object is not a single value"),
        ("Task", "priority: {from: a, values: {x: y}}", ["x", "z"], '"z" has no entry in'),
        ("Project", "goals: a", [{"x": 1}], "goals"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(entity: str, text: str, value: Any, problem: str) -> None:
    with pytest.raises(MappingError) as caught:
        one_field(entity, text, {"a": value})

    assert problem in str(caught.value)


def test_a_number_with_five_thousand_digits_is_refused() -> None:
    with pytest.raises(MappingError, match="a huge number is too large"):
        one_field("Task", "key: a", {"a": 10**5000})


@pytest.mark.parametrize(
    ("condition", "data", "holds"),
    [
        ("{path: a, in: [x, 1, true]}", {"a": True}, True),
        ("{path: a, in: [x, 1]}", {"a": 1}, True),
        ("{path: a, in: x}", {"a": "y"}, False),
        ("{path: a, in: x}", {}, False),
        ("{path: a, not_in: [x]}", {}, True),
        ("{path: a, not_in: [x]}", {"a": "x"}, False),
        ("{path: a, exists: true}", {"a": None}, False),
        ("{path: a, exists: false}", {"a": None}, True),
        ("{path: 'a[].n', contains: [x, y]}", {"a": [{"n": "y"}]}, True),
        ("{path: 'a[].n', contains: x}", {"a": [{"n": "y"}]}, False),
        ("{path: a, contains: x}", {"a": "x"}, True),
        ("{path: a, contains: x}", {}, False),
        ("{path: a, exists: true, not_in: [x]}", {"a": "x"}, False),
        ("[{path: a, in: x}, {path: b, in: y}]", {"a": "x", "b": "y"}, True),
        ("[{path: a, in: x}, {path: b, in: y}]", {"a": "x"}, False),
    ],
)
def test_a_condition_chooses_the_records(condition: str, data: Any, holds: bool) -> None:
    text = (
        "version: 1\nconnector: pingcode\npull:\n"
        f"  - {{stream: s, entity: User, when: {condition}, fields: {{full_name: {{const: n}}}}}}"
    )

    assert (mapped(data, text, "s") is not None) is holds


def test_every_field_of_every_entity_can_be_mapped() -> None:
    rules = [_rule_of_constants(kind, entity) for kind, entity in ENTITIES.items()]
    mapping = parse("version: 1\nconnector: pingcode\npull:\n" + "\n".join(rules))

    made = [mapping.entity(Record(kind, "1", {}), connection="c", timezone=SHANGHAI) for kind in ENTITIES]

    assert [type(entity) for entity in made] == list(ENTITIES.values())


def _rule_of_constants(kind: str, entity: type[Entity]) -> str:
    given = ", ".join(f"{name}: {{const: {value}}}" for name, value in _constants(entity).items())
    return f"  - {{stream: {kind}, entity: {kind}, fields: {{{given}}}}}"


def _constants(entity: type[Entity]) -> dict[str, str]:
    by_type = {
        "TaskStatus": "todo",
        "ProjectStatus": "active",
        "MilestoneStatus": "open",
        "RiskStatus": "open",
        "IssueStatus": "open",
        "IssueKind": "problem",
        "Holder": "us",
        "Visibility": "client",
        "ContactRole": "user",
        "ChangeStatus": "submitted",
        "DecisionStatus": "open",
        "FeedbackKind": "praise",
        "ActivityKind": "note",
        "date": "2026-06-30",
        "AwareDatetime": "2026-06-30T00:00:00Z",
        "float": "1",
        "Decimal": "1.5",
        "int": "1",
        "bool": "true",
        "dict": "{}",
        "list": "[]",
    }
    return {
        name: next((v for k, v in by_type.items() if k in str(field.annotation)), "text")
        for name, field in entity.model_fields.items()
        if name not in ("id", "ref")
    }
