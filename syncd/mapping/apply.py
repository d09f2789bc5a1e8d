"""A mapping compiled into plain functions: records become entities, digests become vendor payloads. No I/O."""

from __future__ import annotations

from collections.abc import Mapping as Items
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from syncd.errors import MappingError
from syncd.mapping import getters
from syncd.mapping.getters import ABSENT, PlacedError
from syncd.mapping.schema import MappingFile, PullRule, PushSpec
from syncd.mapping.transforms import Scope
from syncd.mapping.values import UnfitError, short
from syncd.model.entities import Entity, entity_id
from syncd.sdk.connector import Record

_UTC: Final = ZoneInfo("UTC")
_CHANNEL: Final = "channel"


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
    """How a digest becomes the payload of `operation`, aimed at the remote id under the key `target`.

    Several keys are joined by ` | `: the first that the account file has is meant. `recipient` means one command for
    each reader's address, `channel` one for all, since the connection itself posts to one group.
    """

    def __init__(self, spec: PushSpec, label: str) -> None:
        self.operation = spec.operation
        self.source = spec.source
        self.target = spec.target
        self._label = label
        self._payload = getters.compile_payload(spec.payload)

    @property
    def posts_to_channel(self) -> bool:
        """Whether all who are in the connection's one channel read what the rule sends."""
        return self.target == _CHANNEL

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


def _compile_rules(file: MappingFile, stream: str) -> tuple[_Rule, ...]:
    rules = [rule for rule in file.pull if rule.stream == stream]
    # A record is called by its key in messages, whichever rule was looking at it.
    key = next((getters.compile_field(r.fields["key"], r.entity, "key") for r in rules if "key" in r.fields), None)
    return tuple(_Rule(rule, file.label, key) for rule in rules)


class _Rule:
    """One pull rule, compiled. `key` gives what a person calls a record of the stream."""

    def __init__(self, rule: PullRule, label: str, key: getters.Get | None) -> None:
        self._stream = rule.stream
        self._label = label
        self._conditions = tuple(getters.compile_condition(condition, rule.stream) for condition in rule.when)
        self._fixed = {name: specs[0].const for name, specs in rule.fields.items() if specs[0].const is not None}
        self._getters = tuple(
            (name, getters.compile_field(specs, rule.entity, name))
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
        data, name = record.data, "id"
        try:
            values = self._own_values(record, scope)
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
            problem = UnfitError(ABSENT, f"cannot be read ({type(err).__name__})")
            raise self._located(problem, record, name, scope) from err
        return entity

    def _own_values(self, record: Record, scope: Scope) -> dict[str, Any]:
        values: dict[str, Any] = {
            "id": entity_id(scope.connection, record.stream, record.remote_id),
            "ref": {"connection": scope.connection, "stream": record.stream, "remote_id": record.remote_id},
            **self._fixed,
        }
        if record.updated_at is not None:
            values.setdefault("updated_at", record.updated_at)
            if record.deleted:
                values.setdefault("deleted_at", record.updated_at)
        return values

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
    value = "" if err.value is ABSENT else short(err.value)
    text = " ".join(part for part in (origin, value, err.problem) if part)
    known = f" (it knows {err.known})" if err.known else ""
    return MappingError(f"{_readable(subject)}: {text} in {label} → {where}{known}", field=name, value=value)


def _readable(subject: str) -> str:
    """Return a record's key fit for a log line: vendor text may hold anything."""
    return short(subject)[1:-1]


def _check_object(data: Any, stream: str) -> None:
    if not isinstance(data, Items):
        raise PlacedError(UnfitError(data, "is not an object"), place=stream, origin="the record")
