"""What a mapping file may hold: the objects it is read into, and its JSON Schema for editors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from syncd.mapping import fields
from syncd.mapping.transforms import TRANSFORMS, Transform
from syncd.model.entities import ENTITIES, Entity

VERSION: Final = 1
FILE_KEYS: Final = ("version", "connector", "pull", "push")
RULE_KEYS: Final = ("stream", "entity", "when", "fields")
PUSH_KEYS: Final = ("operation", "from", "target", "payload")
SPEC_KEYS: Final = ("from", "const", "template", "transform", "args", "values", "default", "required")
OPERATORS: Final = ("in", "not_in", "exists", "contains")
# What a push rule can render, with the keys that its payload may name; None leaves them open.
SOURCES: Final[Mapping[str, frozenset[str] | None]] = {
    "Digest": frozenset(
        {"subject", "preheader", "body_text", "body_markdown", "body_html", "images", "locale", "idempotency_key",
         "mark", "recipient", "sender", "thread", "account", "project", "record", "target"}
    ),
    "FollowUp": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TransformCall:
    """One use of a transform: its name and its arguments."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spec:
    """Where one value comes from. Exactly one of `paths`, `const` and `template` is set; None elsewhere means absent.

    `place` is the key path in the file, without the file.
    """

    place: str
    paths: tuple[str, ...] = ()
    const: Any = None
    template: str | None = None
    transforms: tuple[TransformCall, ...] = ()
    values: Mapping[str, Any] | None = None
    default: Any = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold for a record: `tests` maps an operator to its texts, `exists` to true or false."""

    path: str
    tests: Mapping[str, frozenset[str] | bool]


@dataclass(frozen=True, slots=True)
class PullRule:
    """How records of one stream become one kind of entity. `fields` holds alternatives, the first value wins."""

    stream: str
    entity: type[Entity]
    when: tuple[Condition, ...]
    fields: Mapping[str, tuple[Spec, ...]]


Payload = Spec | dict[str, "Payload"] | list["Payload"]


@dataclass(frozen=True, slots=True)
class PushSpec:
    """How a digest or a follow-up becomes the vendor payload of one operation.

    `target` is one key of the account file's `from:` entry, or several joined by ` | ` of which the first there counts;
    or `recipient`, a reader's address; or `channel`, the one that the connection posts to.
    """

    operation: str
    source: str
    target: str
    payload: dict[str, Payload]


@dataclass(frozen=True, slots=True)
class MappingFile:
    """One mapping file, read and checked. `label` is the file's name in messages."""

    label: str
    connector: str
    pull: tuple[PullRule, ...]
    push: tuple[PushSpec, ...]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a mapping file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "syncd mapping file",
        **_object(
            {
                "version": {"const": VERSION},
                "connector": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
                "pull": {"type": "array", "items": {"oneOf": [_rule_schema(entity) for entity in ENTITIES.values()]}},
                "push": {"type": "array", "items": {"$ref": "#/$defs/push"}},
            },
            required=("version", "connector"),
        ),
        "$defs": {
            "path": {
                "type": "string",
                "pattern": r"^[^\s\[\]{}]",
                "description": "A path into the record: a.b.c, or tags[].name for the members of a list.",
            },
            "texts": _one_or_list({"type": ["string", "number", "boolean"]}),
            "condition": _condition_schema(),
            "transform": {"oneOf": [_call_schema(transform) for transform in TRANSFORMS.values()]},
            "spec": _spec_schema(),
            "field": {"oneOf": [_short_spec(), {"type": "array", "minItems": 1, "items": _short_spec()}]},
            "payload": _payload_schema(),
            "push": _push_schema(),
        },
    }


def _object(properties: dict[str, Any], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **({"required": list(required)} if required else {}),
    }


def _one_or_list(schema: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [schema, {"type": "array", "minItems": 1, "items": schema}]}


def _rule_schema(entity: type[Entity]) -> dict[str, Any]:
    allowed = {name: {"$ref": "#/$defs/field"} for name in fields.names(entity)}
    return _object(
        {
            "stream": {"type": "string"},
            "entity": {"const": entity.entity_kind, "description": (entity.__doc__ or "").splitlines()[0]},
            "when": _one_or_list({"$ref": "#/$defs/condition"}),
            "fields": _object(allowed, required=tuple(fields.required(entity))),
        },
        required=("stream", "entity", "fields"),
    )


def _condition_schema() -> dict[str, Any]:
    tests = {operator: {"$ref": "#/$defs/texts"} for operator in OPERATORS}
    tests["exists"] = {"type": "boolean"}
    return {
        **_object({"path": {"$ref": "#/$defs/path"}, **tests}, required=("path",)),
        "minProperties": 2,
        "description": "What must hold for a record; several operators must all hold.",
    }


def _call_schema(transform: Transform) -> dict[str, Any]:
    kinds: dict[str, dict[str, Any]] = {"text": {"type": "string"}, "count": {"type": "integer", "minimum": 1}}
    arguments: dict[str, Any] = {"type": "object", "minProperties": 1}
    if not transform.takes_table:
        arguments = _object(
            {name: kinds[kind] for name, kind in transform.arguments.items()}, required=tuple(transform.arguments)
        )
    with_arguments = _object({transform.name: arguments}, required=(transform.name,))
    bare = {"const": transform.name, "description": transform.doc}
    # The bare name is right for all of them, since the arguments may stand beside it under `args`.
    return {"oneOf": [bare, {**with_arguments, "description": transform.doc}]}


def _spec_schema() -> dict[str, Any]:
    schema = _object(
        {
            "from": _one_or_list({"$ref": "#/$defs/path"}),
            "const": {},
            "template": {"type": "string", "description": "Text with {path} in it; null when one of them is null."},
            "transform": _one_or_list({"$ref": "#/$defs/transform"}),
            "args": {"type": "object", "description": "The arguments of a single transform."},
            "values": {"type": "object", "minProperties": 1, "description": "Value table, compared as text."},
            "default": {"description": "The value when nothing was found."},
            "required": {"type": "boolean"},
        }
    )
    return {**schema, "oneOf": [{"required": [key]} for key in ("from", "const", "template")]}


def _short_spec() -> dict[str, Any]:
    return {"oneOf": [{"$ref": "#/$defs/path"}, {"$ref": "#/$defs/spec"}]}


def _payload_schema() -> dict[str, Any]:
    leaf = {"anyOf": [{"required": [key]} for key in ("from", "const", "template")]}
    return {
        "anyOf": [
            {"$ref": "#/$defs/path"},
            {"$ref": "#/$defs/spec"},
            {"type": "object", "not": leaf, "additionalProperties": {"$ref": "#/$defs/payload"}},
            {"type": "array", "items": {"$ref": "#/$defs/payload"}},
        ]
    }


def _push_schema() -> dict[str, Any]:
    return _object(
        {
            "operation": {"type": "string"},
            "from": {"enum": sorted(SOURCES)},
            "target": {"type": "string"},
            "payload": {"type": "object", "additionalProperties": {"$ref": "#/$defs/payload"}},
        },
        required=("operation", "from", "target", "payload"),
    )
