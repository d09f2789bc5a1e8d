"""Reads the entries of a mapping file into its objects; an error names file, line, key path and the way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from syncd.mapping import fields, paths, templates
from syncd.mapping.document import Entry, suggest
from syncd.mapping.schema import (
    FILE_KEYS,
    OPERATORS,
    PUSH_KEYS,
    RULE_KEYS,
    SOURCES,
    SPEC_KEYS,
    VERSION,
    Condition,
    MappingFile,
    Payload,
    PullRule,
    PushSpec,
    Spec,
    TransformCall,
)
from syncd.mapping.transforms import TRANSFORMS
from syncd.mapping.values import UnfitError, short
from syncd.model.entities import ENTITIES, Entity

_ORIGINS: Final = ("from", "const", "template")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")

_Fit = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Settle:
    """Brings what the file writes down to its field's type: `value` a const or default, `result` one of a table."""

    value: _Fit
    result: _Fit


def _unchanged(value: Any) -> Any:
    return value


_AS_WRITTEN: Final = _Settle(_unchanged, _unchanged)


def read(root: Entry, *, connector: str) -> MappingFile:
    """Return the file that `root` is the top of; ConfigError when it does not describe `connector`."""
    found = root.keys(FILE_KEYS, required=("version", "connector"))
    if found["version"].content != VERSION:
        raise found["version"].error(f"version {found['version'].describe()} is not known; write {VERSION}")
    if found["connector"].text() != connector:
        raise found["connector"].error(f"this is the mapping of {connector!r}, not of {found['connector'].describe()}")
    pull = _optional_list(found.get("pull"))
    return MappingFile(
        label=root.file,
        connector=connector,
        pull=_pull_rules(pull),
        push=_push_rules(_optional_list(found.get("push"))),
    )


def _optional_list(entry: Entry | None) -> list[Entry]:
    if entry is None or entry.content is None:
        return []
    if not isinstance(entry.content, list):
        raise entry.error(f"expected a list of rules, got {entry.describe()}")
    return entry.items()


def _pull_rules(entries: list[Entry]) -> tuple[PullRule, ...]:
    rules: list[PullRule] = []
    for entry in entries:
        rule = _rule(entry)
        if any(earlier.stream == rule.stream and not earlier.when for earlier in rules):
            raise entry.error(
                f"never used: an earlier rule takes every record of {rule.stream}; give that one a `when`"
            )
        rules.append(rule)
    return tuple(rules)


def _rule(entry: Entry) -> PullRule:
    found = entry.keys(RULE_KEYS, required=("stream", "entity", "fields"))
    stream = found["stream"].text()
    entity = _entity(found["entity"])
    when = found.get("when")
    conditions = when.named(f"{stream}.when").items() if when is not None else []
    return PullRule(
        stream=stream,
        entity=entity,
        when=tuple(_condition(condition) for condition in conditions),
        fields=_fields(found["fields"].named(stream), entity),
    )


def _entity(entry: Entry) -> type[Entity]:
    name = entry.text()
    if name not in ENTITIES:
        raise entry.error(f"{short(name)} is not an entity; {suggest(name, ENTITIES)}")
    return ENTITIES[name]


def _condition(entry: Entry) -> Condition:
    found = entry.keys(("path", *OPERATORS), required=("path",))
    tests: dict[str, frozenset[str] | bool] = {}
    for operator in OPERATORS:
        if operator in found:
            tests[operator] = found[operator].boolean() if operator == "exists" else _texts(found[operator])
    if not tests:
        raise entry.error(f"a condition needs one of {', '.join(OPERATORS)}")
    return Condition(_path(found["path"]), tests)


def _texts(entry: Entry) -> frozenset[str]:
    return frozenset(item.text() for item in entry.items())


def _path(entry: Entry) -> str:
    text = entry.text()
    try:
        paths.parse(text)
    except ValueError as err:
        raise entry.error(str(err)) from err
    return text


def _fields(entry: Entry, entity: type[Entity]) -> dict[str, tuple[Spec, ...]]:
    kind = entity.entity_kind
    found = entry.table()
    allowed = fields.names(entity)
    for name, child in found.items():
        if name not in allowed:
            raise child.error(f"{short(name)} is not a field of {kind}; {suggest(name, allowed)}")
    for name in fields.required(entity):
        if name not in found:
            raise entry.error(f"a {kind} needs the field {name!r}")
    return {name: _alternatives(child, entity, name) for name, child in found.items()}


def _alternatives(entry: Entry, entity: type[Entity], name: str) -> tuple[Spec, ...]:
    items = entry.items()
    if not items:
        raise entry.error("an empty list gives no value; write a path or {from: …}")
    specs = tuple(_field_spec(item, entity, name) for item in items)
    for item, spec in zip(items[:-1], specs[:-1], strict=True):
        if spec.const is not None or spec.default is not None:
            raise item.error("this always gives a value, so what follows it is never used; put it last")
    return specs


def _field_spec(entry: Entry, entity: type[Entity], name: str) -> Spec:
    spec = _spec(entry, settle=_Settle(fields.fit(entity, name), fields.fit_member(entity, name)))
    if name in fields.REFERENCES and spec.const is None and "ref" not in [call.name for call in spec.transforms]:
        raise entry.error(f"{name} holds an entity id; add transform: {{ref: {{stream: …}}}}")
    return spec


def _spec(entry: Entry, *, settle: _Settle) -> Spec:
    if not isinstance(entry.content, dict):
        return Spec(entry.path, paths=(_path(_bare(entry)),))
    found = entry.keys(SPEC_KEYS)
    origins = [key for key in _ORIGINS if key in found]
    if len(origins) != 1:
        raise entry.error(f"write exactly one of {', '.join(_ORIGINS)}")
    transforms = _transforms(found, settle)
    if "const" in origins and (transforms or "values" in found or "default" in found):
        raise entry.error("const is the value itself; it takes no transform, values or default")
    values = found.get("values")
    return Spec(
        place=entry.path,
        paths=_paths(found["from"]) if "from" in found else (),
        const=_written(found.get("const"), settle),
        template=_template(found["template"]) if "template" in found else None,
        transforms=transforms,
        values=_table(values, settle) if values is not None else None,
        default=_written(found.get("default"), settle),
        required=found["required"].boolean() if "required" in found else False,
    )


def _bare(entry: Entry) -> Entry:
    if isinstance(entry.content, str):
        return entry
    raise entry.error(f"expected a path or {{from: …}}, got {entry.describe()}; write {{const: …}} for a fixed value")


def _paths(entry: Entry) -> tuple[str, ...]:
    found = tuple(_path(item) for item in entry.items())
    if not found:
        raise entry.error("an empty list gives no value")
    return found


def _template(entry: Entry) -> str:
    text = entry.text()
    try:
        templates.parse(text)
    except ValueError as err:
        raise entry.error(str(err)) from err
    return text


def _written(entry: Entry | None, settle: _Settle) -> Any:
    if entry is None:
        return None
    if entry.content is None:
        raise entry.error("null stands for nothing found; leave the key out")
    return _settled(entry, settle.value)


def _settled(entry: Entry, fit: _Fit) -> Any:
    try:
        return fit(entry.plain())
    except UnfitError as err:
        raise entry.error(f"{short(err.value)} {err.problem}") from err


def _table(entry: Entry, settle: _Settle) -> dict[str, Any]:
    found = entry.table()
    if not found:
        raise entry.error("an empty table refuses every value; leave it out")
    return {key: None if child.content is None else _settled(child, settle.result) for key, child in found.items()}


def _transforms(found: Mapping[str, Entry], settle: _Settle) -> tuple[TransformCall, ...]:
    entry, arguments = found.get("transform"), found.get("args")
    if entry is None:
        if arguments is not None:
            raise arguments.error("args stands beside a transform; there is none here")
        return ()
    if arguments is not None:
        if not isinstance(entry.content, str):
            raise arguments.error("args goes with a single transform by name; write {name: {…}} in a list")
        return (_call(entry, entry.text(), arguments, settle),)
    calls = entry.items()
    # The last result of a chain is the field's value, unless a value table follows.
    last = settle if "values" not in found else _AS_WRITTEN
    return tuple(
        _named_call(call, last if index == len(calls) - 1 else _AS_WRITTEN) for index, call in enumerate(calls)
    )


def _named_call(entry: Entry, settle: _Settle) -> TransformCall:
    if not isinstance(entry.content, dict):
        return _call(entry, entry.text(), None, settle)
    if len(entry.content) != 1:
        raise entry.error("write one transform an item, as {name: {argument: value}}")
    name, arguments = next(iter(entry.table().items()))
    return _call(entry, name, arguments, settle)


def _call(entry: Entry, name: str, arguments: Entry | None, settle: _Settle) -> TransformCall:
    transform = TRANSFORMS.get(name)
    if transform is None:
        raise entry.error(f"{short(name)} is not a transform; {suggest(name, TRANSFORMS)}")
    if transform.takes_table:
        if arguments is None:
            raise entry.error(f"{name} needs a table, as {{{name}: {{value: result}}}}")
        return TransformCall(name, {"table": _table(arguments, settle)})
    if arguments is None or arguments.content is None:
        if transform.arguments:
            raise entry.error(f"{name} needs {', '.join(transform.arguments)}")
        return TransformCall(name, {})
    given = arguments.keys(transform.arguments, required=transform.arguments)
    kinds = transform.arguments
    return TransformCall(name, {k: e.count() if kinds[k] == "count" else e.text() for k, e in given.items()})


def _push_rules(entries: list[Entry]) -> tuple[PushSpec, ...]:
    found: dict[tuple[str, str], PushSpec] = {}
    for entry in entries:
        rule = _push_rule(entry)
        key = (rule.source, rule.operation)
        if key in found:
            raise entry.error(f"{rule.operation} from {rule.source} stands here twice")
        found[key] = rule
    return tuple(found.values())


def _push_rule(entry: Entry) -> PushSpec:
    found = entry.keys(PUSH_KEYS, required=PUSH_KEYS)
    operation, source = found["operation"].text(), found["from"].text()
    if source not in SOURCES:
        raise found["from"].error(f"{short(source)} is not something to push; {suggest(source, SOURCES)}")
    payload = found["payload"].named(f"{operation}.payload")
    return PushSpec(
        operation=operation,
        source=source,
        target=_target(found["target"]),
        payload={key: _payload(child, SOURCES[source]) for key, child in payload.table().items()},
    )


def _target(entry: Entry) -> str:
    text = entry.text()
    names = [name.strip() for name in text.split("|")]
    if not all(_NAME.fullmatch(name) for name in names):
        raise entry.error(
            f"{short(text)} is not a target; name a key of the account file's `from:` entry, recipient or channel; "
            "with several, joined by |, the first that the entry has is taken"
        )
    return " | ".join(names)


def _payload(entry: Entry, known: frozenset[str] | None) -> Payload:
    match entry.content:
        case dict() as content if not any(key in content for key in _ORIGINS):
            return {key: _payload(child, known) for key, child in entry.table().items()}
        case list():
            return [_payload(child, known) for child in entry.items()]
        case _:
            spec = _spec(entry, settle=_AS_WRITTEN)
            _check_source(entry, spec, known)
            return spec


def _check_source(entry: Entry, spec: Spec, known: frozenset[str] | None) -> None:
    used = spec.paths if spec.template is None else templates.paths_of(spec.template)
    for path in used:
        key = paths.parse(path)[0].key
        if known is not None and key not in known:
            raise entry.error(f"{short(path)} is not there; {suggest(key, known)}")
