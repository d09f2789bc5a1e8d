from pathlib import Path

import pytest

from syncd.errors import ConfigError
from syncd.mapping import loader
from syncd.mapping.explain import Row, explain

MAPPING = loader.parse(
    b"""
version: 1
connector: acme
pull:
  - stream: tasks
    entity: Task
    when: [{path: type, in: [task, story]}, {path: gone, exists: false}]
    fields:
      title: title
      status:
        - {from: "labels[].name", transform: [lower, {first_in: {wip: in_progress}}]}
        - {from: [reason, state], values: {open: todo, void: null}, default: done}
      visibility: {const: client}
      key: {template: "#{number}", required: true}
""",
    connector="acme",
    path=Path("mappings/acme.yaml"),
)
WHEN = "type in [story, task] and gone exists: false"


def test_a_stream_is_explained_row_by_row() -> None:
    rows = explain(MAPPING, "tasks")

    assert rows == [
        Row("Task", WHEN, "title", "title", "", "", "", required=True),
        Row("Task", WHEN, "status", "labels[].name", "lower → first_in(wip → in_progress)", "", "", required=True),
        Row("Task", WHEN, "status", "reason | state", "", "open → todo, void → null", "done", required=True),
        Row("Task", WHEN, "visibility", "const client", "", "", "", required=False),
        Row("Task", WHEN, "key", "template #{number}", "", "", "", required=True),
    ]


def test_a_row_uses_the_words_of_the_file() -> None:
    row = explain(MAPPING, "tasks")[0].as_dict()

    assert row == {
        "entity": "Task",
        "when": WHEN,
        "field": "title",
        "from": "title",
        "transform": "",
        "values": "",
        "default": "",
        "required": True,
    }


def test_an_unknown_stream_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        explain(MAPPING, "task")

    assert str(caught.value) == (
        "mappings/acme.yaml: no rule reads the stream 'task'; did you mean 'tasks'? allowed: tasks"
    )
