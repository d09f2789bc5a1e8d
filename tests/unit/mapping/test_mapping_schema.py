import json

from syncd.mapping.schema import json_schema
from syncd.mapping.transforms import TRANSFORMS
from syncd.model.entities import ENTITIES

SCHEMA = json_schema()


def test_the_schema_is_plain_json() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


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


def test_unknown_keys_are_refused_everywhere() -> None:
    spec = SCHEMA["$defs"]["spec"]

    assert SCHEMA["additionalProperties"] is False
    assert spec["additionalProperties"] is False
    assert set(spec["properties"]) == {
        "from",
        "const",
        "template",
        "transform",
        "args",
        "values",
        "default",
        "required",
    }


def test_every_reference_of_the_schema_is_defined() -> None:
    text = json.dumps(SCHEMA)
    used = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}

    assert used <= set(SCHEMA["$defs"])
