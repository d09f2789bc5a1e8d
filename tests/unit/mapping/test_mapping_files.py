"""What is wrong with a mapping file is told with file, line, key path, value and what is allowed."""

from pathlib import Path
from textwrap import dedent, indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import ConfigError
from syncd.mapping import loader
from syncd.mapping.apply import Mapping

HEAD = "version: 1\nconnector: acme\n"
TASKS = (
    HEAD + "pull:\n  - stream: tasks\n    entity: Task\n    fields:\n      title: title\n      status: {const: todo}\n"
)


def parse(text: str) -> Mapping:
    return loader.parse(text.encode(), connector="acme", path=Path("acme.yaml"), label="mappings/acme.yaml")


def message(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)


def field(text: str) -> str:
    return message(TASKS + indent(dedent(text), "      "))


def test_the_users_file_wins_over_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    for folder, title in ((shipped, "title"), (own, "name")):
        folder.mkdir()
        (folder / "acme.yaml").write_text(TASKS.replace("title: title", f"title: {title}"), encoding="utf-8")
    monkeypatch.setattr(loader, "shipped_dir", lambda: shipped)

    mapping = loader.load("acme", user_dir=own)
    fallback = loader.load("acme", user_dir=tmp_path / "nowhere")

    assert mapping.path == own / "acme.yaml"
    assert fallback.path == shipped / "acme.yaml"
    assert mapping.fingerprint != fallback.fingerprint


def test_the_fingerprint_is_the_hash_of_the_content() -> None:
    mapping = parse(HEAD)

    assert mapping.fingerprint == "8fcdfe1220cdd5f0bac390f2c40749a6bdec4f03f51225fb9337109a8314eff8"


def test_streams_and_references_are_told() -> None:
    mapping = parse(TASKS + "      project: {from: p, transform: {ref: {stream: projects}}}\n")

    assert mapping.connector == "acme"
    assert mapping.streams == {"tasks"}
    assert mapping.references == {"projects"}


def test_a_missing_file_names_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "shipped_dir", lambda: tmp_path / "shipped")

    with pytest.raises(ConfigError) as caught:
        loader.load("acme", user_dir=tmp_path / "own")

    assert str(caught.value) == (
        f"there is no mapping for 'acme': looked for {tmp_path}/own/acme.yaml and {tmp_path}/shipped/acme.yaml; "
        "shipped mappings: none"
    )


def test_a_connector_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not the name of a connector"):
        loader.load("../secrets", user_dir=tmp_path)


def test_every_shipped_mapping_loads() -> None:
    names = sorted(path.stem for path in loader.shipped_dir().glob("*.yaml"))

    loaded = [loader.load(name, user_dir=None).connector for name in names]

    assert loaded == names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "mappings/acme.yaml:1: expected a mapping of keys, got nothing"),
        ("- a", "mappings/acme.yaml:1: expected a mapping of keys, got a list"),
        ("version: 1\n", "mappings/acme.yaml:1: the key 'connector' is missing"),
        ("version: 2\nconnector: acme", "mappings/acme.yaml:1: version: version 2 is not known; write 1"),
        (
            "version: 1\nconnector: github",
            "mappings/acme.yaml:2: connector: this is the mapping of 'acme', not of \"github\"",
        ),
        (
            HEAD + "pul: []",
            (
                "mappings/acme.yaml:3: pul: unknown key \"pul\"; did you mean 'pull'? "
                "allowed: connector, pull, push, version"
            ),
        ),
        (HEAD + "pull: {}", "mappings/acme.yaml:3: pull: expected a list of rules, got a mapping"),
        (HEAD + "connector: acme", 'mappings/acme.yaml:3: the key "connector" stands here twice'),
        ("version: [1\n", "mappings/acme.yaml:2: not YAML: expected ',' or ']', but got '<stream end>'"),
        (
            "version: !!python/none x",
            (
                "mappings/acme.yaml:1: the tag tag:yaml.org,2002:python/none is not allowed; "
                "only plain values, lists and mappings are"
            ),
        ),
        ("version: &a [*a]", "mappings/acme.yaml:1: an alias that contains itself"),
        ("? [a]\n: b", "mappings/acme.yaml:1: a key must be plain text"),
        (
            TASKS.replace("Task\n", "Tusk\n"),
            (
                "mappings/acme.yaml:5: pull[0].entity: \"Tusk\" is not an entity; did you mean 'Task'? allowed: "
                "Account, Activity, ChangeRequest, Contact, Decision, Feedback, Issue, Milestone, Opportunity, "
                "Project, Risk, Task, User"
            ),
        ),
        (TASKS.replace("      title: title\n", ""), "mappings/acme.yaml:6: tasks: a Task needs the field 'title'"),
        (
            TASKS + "  - {stream: tasks, entity: User, fields: {full_name: name}}",
            (
                "mappings/acme.yaml:9: pull[1]: never used: an earlier rule takes every record of tasks; "
                "give that one a `when`"
            ),
        ),
    ],
)
def test_a_bad_file_is_explained(text: str, expected: str) -> None:
    assert message(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id: id", '9: tasks.id: "id" is not a field of Task; '),
        ("due_dat: due", "9: tasks.due_dat: \"due_dat\" is not a field of Task; did you mean 'due_date'? "),
        ("key: {form: number}", "9: tasks.key.form: unknown key \"form\"; did you mean 'from'? "),
        ("key: 12", "9: tasks.key: expected a path or {from: …}, got 12; write {const: …} for a fixed value"),
        ("key: ", "9: tasks.key: expected a path or {from: …}, got nothing"),
        ("key: []", "9: tasks.key: an empty list gives no value"),
        ("key: a..b", "9: tasks.key: 'a..b' is not a path; write keys joined by dots, with [] for a list"),
        ("key: 'a[0]'", "9: tasks.key: 'a[0]' is not a path"),
        ("key: {from: a, const: b}", "9: tasks.key: write exactly one of from, const, template"),
        ("key: {required: true}", "9: tasks.key: write exactly one of from, const, template"),
        ("key: {from: []}", "9: tasks.key.from: an empty list gives no value"),
        ("key: {from: a, required: maybe}", '9: tasks.key.required: expected true or false, got "maybe"'),
        ("key: {from: a, default: null}", "9: tasks.key.default: null stands for nothing found; leave the key out"),
        ("key: {const: a, transform: lower}", "9: tasks.key: const is the value itself"),
        ("key: {template: 'a {b'}", "9: tasks.key.template: a single '{' in a template; write it twice"),
        ("key:\n  - from: a\n    default: b\n  - c", "10: tasks.key[0]: this always gives a value, so what follows"),
        ("key: {from: a, transform: trunkate}", "\"trunkate\" is not a transform; did you mean 'truncate'? allowed: "),
        ("key: {from: a, transform: {truncate: {max: 0}}}", "9: tasks.key.transform.truncate.max: expected a whole"),
        ("key: {from: a, transform: truncate}", "9: tasks.key.transform: truncate needs max"),
        ("key: {from: a, transform: {truncate: {}}}", "9: tasks.key.transform.truncate: the key 'max' is missing"),
        ("key: {from: a, transform: {lower: {}, strip: {}}}", "9: tasks.key.transform: write one transform an item"),
        ("key: {from: a, transform: {lower: {by: a}}}", '9: tasks.key.transform.lower.by: unknown key "by"'),
        ("key: {from: a, transform: first_in}", "9: tasks.key.transform: first_in needs a table"),
        ("key: {from: a, transform: [lower], args: {a: b}}", "9: tasks.key.args: args goes with a single transform"),
        ("key: {from: a, args: {a: b}}", "9: tasks.key.args: args stands beside a transform; there is none here"),
        ("key: {from: a, values: {}}", "9: tasks.key.values: an empty table refuses every value; leave it out"),
        ("key: {from: a, values: [a]}", "9: tasks.key.values: expected a mapping of keys, got a list"),
        ("key: {from: a, values: {null: a}}", "9: a null key matches nothing; write default: "),
        ("holder: {const: them}", '9: tasks.holder.const: "them" is not one of us, client, third_party; '),
        ("holder: {from: a, values: {a: us, b: uz}}", '9: tasks.holder.values.b: "uz" is not one of us, client'),
        ("holder: {from: a, default: 1}", "9: tasks.holder.default: 1 is not one of us, client, third_party"),
        ("holder: {from: a, transform: {first_in: {x: y}}}", '9: tasks.holder.transform.first_in.x: "y" is not one'),
        ("due_date: {const: 2026-13-01}", '9: "2026-13-01" is not a possible value: '),
        ("due_date: {const: 2026-06-30 10:00:00}", "is a time, where a date is wanted; use datetime_to_date"),
        ("assignee: a.id", "9: tasks.assignee: assignee holds an entity id; add transform: {ref: {stream: …}}"),
    ],
)
def test_a_bad_field_is_explained(text: str, expected: str) -> None:
    found = field(text)

    assert found.startswith("mappings/acme.yaml:")
    assert expected in found


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{in: [a]}", "the key 'path' is missing"),
        ("{path: a}", "a condition needs one of in, not_in, exists, contains"),
        ("{path: a, exist: true}", "did you mean 'exists'?"),
        ("{path: a, exists: 1}", "expected true or false, got 1"),
        ("[{path: a, in: [{}]}]", "tasks.when[0].in[0]: expected text, got a mapping"),
    ],
)
def test_a_bad_condition_is_explained(when: str, expected: str) -> None:
    assert expected in message(TASKS.replace("    fields", f"    when: {when}\n    fields"))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{operation: note}", "the key 'from' is missing"),
        ("{operation: note, from: Digst, target: deal, payload: {}}", "did you mean 'Digest'?"),
        ("{operation: note, from: Digest, target: A B, payload: {}}", '"A B" is not a target'),
        (
            "{operation: note, from: Digest, target: deal, payload: {a: {b: bodytext}}}",
            "note.payload.a.b: \"bodytext\" is not there; did you mean 'body_text'?",
        ),
        (
            "{operation: note, from: Digest, target: deal, payload: {a: {template: '{nam}'}}}",
            'note.payload.a: "nam" is not there',
        ),
        ("{operation: note, from: Digest, target: deal, payload: {public: true}}", "write {const: …} for a fixed"),
    ],
)
def test_a_bad_push_rule_is_explained(rule: str, expected: str) -> None:
    found = message(HEAD + f"push:\n  - {rule}\n")

    assert found.startswith("mappings/acme.yaml:4: ")
    assert expected in found


def test_the_same_operation_twice_is_refused() -> None:
    rule = "  - {operation: note, from: Digest, target: deal, payload: {a: subject}}\n"

    assert "note from Digest stands here twice" in message(HEAD + "push:\n" + rule + rule)


def test_text_that_is_not_utf8_names_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        loader.parse(b"version: 1\nname: \xff", connector="acme", path=Path("acme.yaml"))

    assert str(caught.value) == "acme.yaml:2: not UTF-8; save the file as UTF-8"


def test_a_huge_file_is_refused() -> None:
    assert "this is no mapping file" in message("#" * 1_000_001)


def test_aliases_share_a_table_and_cannot_multiply() -> None:
    lines = ["x0: &x0 [a, a]"] + [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 60)]

    assert 'unknown key "x0"' in message("\n".join(lines))


def outcome(content: bytes) -> str:
    try:
        loader.parse(content, connector="acme", path=Path("acme.yaml"))
    except ConfigError as err:
        return str(err)
    return "acme.yaml: loaded"


@given(text=st.text(max_size=200))
def test_any_text_loads_or_is_a_config_error(text: str) -> None:
    assert outcome(text.encode(errors="replace")).startswith("acme.yaml:")


@given(position=st.integers(0, len(TASKS) - 1), junk=st.text("{}[]:,&*!|>'\"%@`#- \n\tab1", min_size=1, max_size=4))
def test_a_damaged_file_loads_or_is_a_config_error(position: int, junk: str) -> None:
    damaged = TASKS[:position] + junk + TASKS[position + 1 :]

    assert outcome(damaged.encode()).startswith("acme.yaml:")
