import json
import re
from typing import Any

import pytest

from syncd.mapping import document, loader
from syncd.mapping.schema import json_schema
from syncd.mapping.transforms import TRANSFORMS
from syncd.model.entities import ENTITIES

SCHEMA = json_schema()
FILE = """
version: 1
connector: acme
pull:
  - stream: tasks
    entity: Task
    when: {path: type, in: [task, 1], exists: true}
    fields:
      title: title
      key: {template: "#{number}", required: true}
      status:
        - {from: "labels[].name", transform: [lower, {first_in: {wip: in_progress}}]}
        - {from: [reason, state], values: {open: todo, void: null}, default: done}
      project: {from: project.id, transform: ref, args: {stream: projects}}
      visibility: {const: client}
push:
  - {operation: note, from: Digest, target: deal, payload: {data: [{a: subject, b: {const: true}}], c: {from: mark}}}
"""
TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float), "integer": int
}  # fmt: skip


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Judge `value` by the keywords that the schema uses; an unknown keyword fails the test that meets it."""
    return all(_holds(keyword, wanted, value, schema) for keyword, wanted in schema.items())


def _holds(keyword: str, wanted: Any, value: Any, schema: dict[str, Any]) -> bool:
    match keyword:
        case "$ref":
            return fits(value, SCHEMA["$defs"][wanted.rpartition("/")[2]])
        case "oneOf":
            return sum(fits(value, one) for one in wanted) == 1
        case "anyOf":
            return any(fits(value, one) for one in wanted)
        case "not":
            return not fits(value, wanted)
        case "type":
            return any(_is(value, name) for name in ([wanted] if isinstance(wanted, str) else wanted))
        case "const":
            return bool(value == wanted)
        case "enum":
            return value in wanted
        case "pattern":
            return not isinstance(value, str) or re.search(wanted, value) is not None
        case "minimum":
            return not isinstance(value, int) or value >= wanted
        case "minItems":
            return not isinstance(value, list) or len(value) >= wanted
        case "minProperties":
            return not isinstance(value, dict) or len(value) >= wanted
        case "items":
            return not isinstance(value, list) or all(fits(member, wanted) for member in value)
        case "required":
            return not isinstance(value, dict) or set(wanted) <= set(value)
        case "properties":
            return not isinstance(value, dict) or all(fits(value[k], s) for k, s in wanted.items() if k in value)
        case "additionalProperties":
            others = set(value) - set(schema.get("properties", ())) if isinstance(value, dict) else set()
            return not others if wanted is False else all(fits(value[key], wanted) for key in others)
        case "$schema" | "title" | "description" | "$defs":
            return True
    raise AssertionError(f"unknown keyword {keyword}")


def _is(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def plain(text: str) -> Any:
    return document.parse(text, "file").plain()


def test_the_schema_is_plain_json() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_the_schema_takes_everything_that_the_language_has() -> None:
    assert fits(plain(FILE), SCHEMA)


@pytest.mark.parametrize("path", sorted(loader.shipped_dir().glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_takes_the_shipped_files(path: Any) -> None:
    assert fits(plain(path.read_text(encoding="utf-8")), SCHEMA)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("version: 1", "version: 2"),
        ("stream: tasks", "strem: tasks"),
        ("entity: Task", "entity: Tusk"),
        ("title: title", "titel: title"),
        ("      title: title\n", ""),
        ("exists: true", "exist: true"),
        ("transform: ref", "transform: reff"),
        ("required: true", "required: yes please"),
        ("{from: [reason, state], ", "{from: [reason, state], const: 1, "),
        ("from: Digest", "from: Digst"),
    ],
)
def test_the_schema_refuses_a_slip(right: str, wrong: str) -> None:
    assert right in FILE
    assert not fits(plain(FILE.replace(right, wrong)), SCHEMA)


def test_every_entity_has_its_fields_and_what_it_needs() -> None:
    rules = {rule["properties"]["entity"]["const"]: rule for rule in SCHEMA["properties"]["pull"]["items"]["oneOf"]}
    task = rules["Task"]["properties"]["fields"]

    assert set(rules) == set(ENTITIES)
    assert task["required"] == ["title", "status"]
    assert "due_date" in task["properties"]
    assert not {"id", "ref"} & set(task["properties"])


def test_every_transform_is_there_with_its_documentation() -> None:
    bare = [call["oneOf"][0] for call in SCHEMA["$defs"]["transform"]["oneOf"]]

    assert {call["const"]: call["description"] for call in bare} == {n: t.doc for n, t in TRANSFORMS.items()}
