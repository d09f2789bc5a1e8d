"""How a stream's records become entities, row by row, for `syncd connectors explain`."""

from __future__ import annotations

from collections.abc import Mapping as Items
from dataclasses import dataclass
from typing import Any

from syncd.errors import ConfigError
from syncd.mapping import fields
from syncd.mapping.apply import Mapping
from syncd.mapping.document import suggest
from syncd.mapping.schema import Condition, PullRule, Spec, TransformCall


@dataclass(frozen=True, slots=True)
class Row:
    """One place that a field's value comes from; alternatives of a field are rows in the order they are tried.

    `when` says which records the rule takes. `values` and `default` are as the file has them, in readable form.
    """

    entity: str
    when: str
    field: str
    source: str
    transform: str
    values: str
    default: str
    required: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the row with the words of the mapping file, for `--json`."""
        return {
            "entity": self.entity,
            "when": self.when,
            "field": self.field,
            "from": self.source,
            "transform": self.transform,
            "values": self.values,
            "default": self.default,
            "required": self.required,
        }


def explain(mapping: Mapping, stream: str) -> list[Row]:
    """Return the rows of `stream`, rule by rule in the order they are tried; ConfigError for a stream without rules."""
    if stream not in mapping.streams:
        raise ConfigError(
            f"{mapping.file.label}: no rule reads the stream {stream!r}; {suggest(stream, mapping.streams)}"
        )
    rules = [rule for rule in mapping.file.pull if rule.stream == stream]
    return [row for rule in rules for row in _rule_rows(rule)]


def _rule_rows(rule: PullRule) -> list[Row]:
    when = " and ".join(_condition(condition) for condition in rule.when)
    needed = fields.required(rule.entity)
    return [
        Row(
            entity=rule.entity.entity_kind,
            when=when,
            field=name,
            source=_source(spec),
            transform=" → ".join(_call(call) for call in spec.transforms),
            values=_table(spec.values or {}),
            default="" if spec.default is None else str(spec.default),
            required=spec.required or name in needed,
        )
        for name, specs in rule.fields.items()
        for spec in specs
    ]


def _condition(condition: Condition) -> str:
    tests = (
        f"exists: {str(wanted).lower()}" if isinstance(wanted, bool) else f"{operator} [{', '.join(sorted(wanted))}]"
        for operator, wanted in condition.tests.items()
    )
    return f"{condition.path} {' and '.join(tests)}"


def _source(spec: Spec) -> str:
    if spec.const is not None:
        return f"const {spec.const}"
    return f"template {spec.template}" if spec.template is not None else " | ".join(spec.paths)


def _call(call: TransformCall) -> str:
    if "table" in call.arguments:
        return f"{call.name}({_table(call.arguments['table'])})"
    arguments = ", ".join(f"{name}: {value}" for name, value in call.arguments.items())
    return f"{call.name}({arguments})" if arguments else call.name


def _table(table: Items[str, Any]) -> str:
    return ", ".join(f"{key} → {'null' if result is None else result}" for key, result in table.items())
