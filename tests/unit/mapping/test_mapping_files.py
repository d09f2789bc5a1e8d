from pathlib import Path
from zoneinfo import ZoneInfo

from syncd.mapping import loader
from syncd.model.entities import Task, TaskStatus
from syncd.sdk import Record

SHANGHAI = ZoneInfo("Asia/Shanghai")
FILE = """
version: 1
connector: acme
pull:
  - stream: tasks
    entity: Task
    when: {path: type, in: [story, task]}
    fields:
      title: {from: title, required: true}
      key: number
      status: {from: state, values: {open: todo, closed: done}}
push:
  - operation: create_comment
    from: Digest
    target: work_item
    payload: {content: {from: body_text, required: true}}
"""


def test_a_user_file_makes_a_task(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(FILE, encoding="utf-8")
    mapping = loader.load("acme", user_dir=tmp_path)
    record = Record("tasks", "7", {"type": "task", "title": "Ship it", "number": 12, "state": "open"})

    task = mapping.entity(record, connection="a", timezone=SHANGHAI)

    assert isinstance(task, Task)
    assert (task.title, task.key, task.status) == ("Ship it", "12", TaskStatus.TODO)


def test_a_record_that_no_rule_takes_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(FILE, encoding="utf-8")
    mapping = loader.load("acme", user_dir=tmp_path)

    skipped = mapping.entity(Record("tasks", "7", {"type": "bug"}), connection="a", timezone=SHANGHAI)

    assert skipped is None
