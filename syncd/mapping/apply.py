"""A mapping compiled into plain functions: records become entities, digests become vendor payloads. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Items
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from syncd.errors import MappingError
from syncd.mapping import fields, paths, templates
from syncd.mapping.schema import Condition, MappingFile, Payload, PullRule, PushSpec, Spec
from syncd.mapping.transforms import TRANSFORMS, Scope, Step
from syncd.mapping.values import UnfitError, short, text_of
from syncd.model.entities import Entity, entity_id
from syncd.sdk.connector import Record

Get = Callable[[Any, Scope], Any]
_ABSENT: Final = object()
_UTC: Final = ZoneInfo("UTC")
_SHOWN_VALUES: Final = 12


class Mapping:
    """One connector's mapping file, compiled. Immutable and safe to share between threads.

    `streams` are the streams that its rules read, `references` those that its `ref` transforms name.
    `fingerprint` is the SHA-256 of the file's content: where it differs from the one that a stored record was mapped
    with, the record can be mapped again without a fetch.
    """

    def __init__(self, file: MappingFile, *, path: Path, fingerprint: str) -> None:
        self.file = file
        self.path = path
        self.fingerprint = fingerprint
        self.connector = file.connector
        self.streams: frozenset[str] = frozenset(rule.stream for rule in file.pull)
        self.references = _references(file)
        self._rules = {stream: _compile_rules(file, stream) for stream in self.streams}
        self._pushes = tuple(PushRule(spec, file.label) for spec in file.push)

    def entity(self, record: Record, *, connection: str, timezone: ZoneInfo) -> Entity | None:
        """Return the entity made from `record`, None when no rule holds for it (the record is skipped).

        `timezone` is the connection's, for dates that the vendor writes as a point in time. Where the file does not
        set them, `updated_at` is the record's, and so is `deleted_at` of a tombstone.
        Raises MappingError for a record that does not fit, and never anything else.
        """
        scope = _scope(connection, timezone)
        for rule in self._rules.get(record.stream, ()):
            if rule.holds(record):
                return rule.entity(record, scope)
        return None

    def push_rule(self, source: str, *, operation: str | None = None) -> PushRule | None:
        """Return the first push rule of `source` ("Digest"), of `operation` if given; None when there is none."""
        for rule in self._pushes:
            if rule.source == source and operation in (None, rule.operation):
                return rule
        return None


class PushRule:
    """How a digest becomes the payload of `operation`, aimed at the remote id under the key `target`."""

    def __init__(self, spec: PushSpec, label: str) -> None:
        self.operation = spec.operation
        self.source = spec.source
        self.target = spec.target
        self._label = label
        self._payload = _compile_payload(spec.payload)

    def payload(self, source: Items[str, Any]) -> dict[str, Any]:
        """Return the vendor payload for `source`. What was not found is left out, empty objects and lists too.

        Raises MappingError when a required value is not there or does not fit.
        """
        try:
            built = self._payload(source, _scope("", _UTC))
        except UnfitError as err:
            raise _located(err, subject=self.operation, label=self._label, name=self.operation) from err
        return built if isinstance(built, dict) else {}


def _references(file: MappingFile) -> frozenset[str]:
    specs = (spec for rule in file.pull for alternatives in rule.fields.values() for spec in alternatives)
    return frozenset(call.arguments["stream"] for spec in specs for call in spec.transforms if call.name == "ref")


@lru_cache(maxsize=256)
def _scope(connection: str, timezone: ZoneInfo) -> Scope:
    return Scope(connection, timezone)


class PlacedError(UnfitError):
    """An UnfitError that knows its place: the key path in the file and what was read there."""

    def __init__(self, err: UnfitError, *, place: str, origin: str) -> None:
        super().__init__(err.value, err.problem, part=err.part, known=err.known)
        self.place = f"{place}.{err.part}" if err.part else place
        self.origin = origin


def _compile_rules(file: MappingFile, stream: str) -> tuple[_Rule, ...]:
    rules = [rule for rule in file.pull if rule.stream == stream]
    # A record is called by its key in messages, whichever rule was looking at it.
    key = next((_compile_field(r.fields["key"], r.entity, "key") for r in rules if "key" in r.fields), None)
    return tuple(_Rule(rule, file.label, key) for rule in rules)


class _Rule:
    """One pull rule, compiled. `key` gives what a person calls a record of the stream."""

    def __init__(self, rule: PullRule, label: str, key: Get | None) -> None:
        self._stream = rule.stream
        self._label = label
        self._kind = rule.entity
        self._conditions = tuple(_compile_condition(condition, rule.stream) for condition in rule.when)
        self._fixed = {name: specs[0].const for name, specs in rule.fields.items() if specs[0].const is not None}
        self._getters = tuple(
            (name, _compile_field(specs, rule.entity, name))
            for name, specs in rule.fields.items()
            if name not in self._fixed
        )
        self._key = key
        self._validate = rule.entity.__pydantic_validator__.validate_python

    def holds(self, record: Record) -> bool:
        data = record.data
        try:
            if type(data) is not dict:
                _check_object(data, self._stream)
            for condition in self._conditions:
                if not condition(data):
                    return False
        except UnfitError as err:
            raise self._located(err, record, "when", None) from err
        return True

    def entity(self, record: Record, scope: Scope) -> Entity:
        data, name = record.data, ""
        values: dict[str, Any] = {
            "id": entity_id(scope.connection, record.stream, record.remote_id),
            "ref": {"connection": scope.connection, "stream": record.stream, "remote_id": record.remote_id},
        }
        if record.updated_at is not None:
            values["updated_at"] = record.updated_at
            if record.deleted:
                values["deleted_at"] = record.updated_at
        values.update(self._fixed)
        try:
            for name, get in self._getters:
                value = get(data, scope)
                if value is not None:
                    values[name] = value
            entity: Entity = self._validate(values)
        except UnfitError as err:
            raise self._located(err, record, name, scope) from err
        except ValidationError as err:
            raise self._invalid(err, record, scope) from err
        except (ValueError, TypeError, OverflowError) as err:
            raise self._located(UnfitError(_ABSENT, str(err)), record, name, scope) from err
        return entity

    def _invalid(self, err: ValidationError, record: Record, scope: Scope) -> MappingError:
        first = err.errors(include_url=False, include_context=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        return self._located(UnfitError(first["input"], f"does not fit: {first['msg']}"), record, name, scope)

    def _located(self, err: UnfitError, record: Record, name: str, scope: Scope | None) -> MappingError:
        return _located(
            err, subject=self._record_key(record, scope), label=self._label, name=name, place=f"{self._stream}.{name}"
        )

    def _record_key(self, record: Record, scope: Scope | None) -> str:
        """Return what a person calls this record: its key where that can be read, else the remote id."""
        try:
            key = self._key(record.data, scope or _scope("", _UTC)) if self._key else None
        except (UnfitError, ValueError, TypeError, AttributeError):
            key = None
        return str(key) if key else record.remote_id


def _located(err: UnfitError, *, subject: str, label: str, name: str, place: str = "") -> MappingError:
    where = err.place if isinstance(err, PlacedError) else place
    origin = err.origin if isinstance(err, PlacedError) else name
    value = "" if err.value is _ABSENT else short(err.value)
    text = " ".join(part for part in (origin, value, err.problem) if part)
    known = f" (it knows {err.known})" if err.known else ""
    return MappingError(f"{_readable(subject)}: {text} in {label} → {where}{known}", field=name, value=value)


def _readable(subject: str) -> str:
    """Return a record's key fit for a log line: vendor text may hold anything."""
    return short(subject)[1:-1]


def _check_object(data: Any, stream: str) -> None:
    if not isinstance(data, Items):
        raise PlacedError(UnfitError(data, "is not an object"), place=stream, origin="the record")


def _compile_condition(condition: Condition, stream: str) -> Callable[[Any], bool]:
    find = paths.compile_path(condition.path)
    tests = tuple(_compile_test(operator, wanted) for operator, wanted in condition.tests.items())

    def holds(data: Any) -> bool:
        try:
            value = find(data)
            return all(test(value) for test in tests)
        except UnfitError as err:
            raise PlacedError(err, place=f"{stream}.when", origin=condition.path) from err

    return holds


def _compile_test(operator: str, wanted: Any) -> Callable[[Any], bool]:
    match operator:
        case "in":
            return lambda value: value is not None and text_of(value) in wanted
        case "not_in":
            return lambda value: value is None or text_of(value) not in wanted
        case "contains":
            return lambda value: value is not None and any(text in wanted for text in _texts(value))
        case _:
            return lambda value: (value is not None) is wanted


def _texts(value: Any) -> list[str]:
    return [text_of(member) for member in (value if isinstance(value, list) else [value]) if member is not None]


def _compile_field(specs: tuple[Spec, ...], entity: type[Entity], name: str) -> Get:
    gets = tuple(_compile_spec(spec, _fit_after(spec, entity, name)) for spec in specs)
    return _first(gets, specs, is_required=name in fields.required(entity) or any(spec.required for spec in specs))


def _fit_after(spec: Spec, entity: type[Entity], name: str) -> fields.Fit | None:
    """Return what brings the value of `spec` to the field's type, None when it is of that type already."""
    if spec.values is not None and not fields.is_list(entity, name):
        return None  # what a table gives was brought there when the file was read
    last = TRANSFORMS[spec.transforms[-1].name].gives if spec.transforms else None
    return None if fields.takes(entity, name, last) else fields.fit(entity, name)


def _first(gets: tuple[Get, ...], specs: tuple[Spec, ...], *, is_required: bool) -> Get:
    if len(gets) == 1 and not is_required:
        return gets[0]
    missing = _missing(specs) if is_required else None

    def get(data: Any, scope: Scope) -> Any:
        for one in gets:
            value = one(data, scope)
            if value is not None:
                return value
        if missing is not None:
            raise missing()
        return None

    return get


def _missing(specs: tuple[Spec, ...]) -> Callable[[], UnfitError]:
    origins = ", ".join(_origin(spec) for spec in specs)

    def make() -> UnfitError:
        return PlacedError(UnfitError(_ABSENT, "gives nothing, and is required"), place=specs[0].place, origin=origins)

    return make


def _origin(spec: Spec) -> str:
    return " | ".join(spec.paths) or spec.template or "const"


def _compile_spec(spec: Spec, fit: fields.Fit | None) -> Get:
    if spec.const is not None:
        return _constant(spec.const)
    find = templates.compile_template(spec.template) if spec.template else paths.compile_first(spec.paths)
    steps = [TRANSFORMS[call.name].make(**call.arguments) for call in spec.transforms]
    if spec.values is not None:
        steps.append(_lookup(spec.values))
    if fit is not None and not steps and spec.default is None:
        return _plain_path(find, fit, spec)
    if fit is not None:
        steps.append(_fitting(fit))
    return _one_step(find, steps[0], spec) if len(steps) == 1 else _chain(find, tuple(steps), spec)


def _constant(value: Any) -> Get:
    return lambda _, __: value


def _fitting(fit: fields.Fit) -> Step:
    return lambda value, _: fit(value)


def _plain_path(find: paths.Find, fit: fields.Fit, spec: Spec) -> Get:
    """The commonest spec, a path and nothing else, on the shortest way."""
    place, origin = spec.place, _origin(spec)

    def get(data: Any, _: Scope) -> Any:
        try:
            value = find(data)
            return None if value is None else fit(value)
        except UnfitError as err:
            raise PlacedError(err, place=place, origin=origin) from err

    return get


def _one_step(find: paths.Find, step: Step, spec: Spec) -> Get:
    default, place, origin = spec.default, spec.place, _origin(spec)

    def get(data: Any, scope: Scope) -> Any:
        try:
            value = find(data)
            if value is not None:
                value = step(value, scope)
        except UnfitError as err:
            raise PlacedError(err, place=place, origin=origin) from err
        return default if value is None else value

    return get


def _chain(find: paths.Find, steps: tuple[Step, ...], spec: Spec) -> Get:
    default, place, origin = spec.default, spec.place, _origin(spec)

    def get(data: Any, scope: Scope) -> Any:
        try:
            value = find(data)
            for step in steps:
                if value is None:
                    return default
                value = step(value, scope)
        except UnfitError as err:
            raise PlacedError(err, place=place, origin=origin) from err
        return default if value is None else value

    return get


def _lookup(table: Items[str, Any]) -> Step:
    shown = list(table)[:_SHOWN_VALUES]
    known = ", ".join(shown) + (", …" if len(table) > len(shown) else "")

    def one(value: Any) -> Any:
        result = table.get(value if type(value) is str else text_of(value), _ABSENT)
        if result is _ABSENT:
            raise UnfitError(value, "has no entry", part="values", known=known)
        return result

    def step(value: Any, _: Scope) -> Any:
        if isinstance(value, list):
            return [result for member in value if (result := one(member)) is not None]
        return one(value)

    return step


def _compile_payload(payload: Payload) -> Get:
    match payload:
        case Spec():
            return _compile_leaf(payload)
        case dict():
            return _compile_object({key: _compile_payload(child) for key, child in payload.items()})
        case _:
            return _compile_list([_compile_payload(child) for child in payload])


def _compile_leaf(spec: Spec) -> Get:
    return _first((_compile_spec(spec, _plain),), (spec,), is_required=spec.required)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _compile_object(children: dict[str, Get]) -> Get:
    def get(data: Any, scope: Scope) -> dict[str, Any] | None:
        found = {key: value for key, child in children.items() if (value := child(data, scope)) is not None}
        return found or None

    return get


def _compile_list(children: list[Get]) -> Get:
    def get(data: Any, scope: Scope) -> list[Any] | None:
        return [value for child in children if (value := child(data, scope)) is not None] or None

    return get
