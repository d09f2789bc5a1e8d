"""The specs of a mapping file compiled into plain functions of a record's data and the scope.

Whatever does not fit is a PlacedError, which knows the key path in the file and what was read there.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Items
from datetime import date
from typing import Any, Final

from syncd.mapping import fields, paths, templates
from syncd.mapping.schema import Condition, Payload, Spec
from syncd.mapping.transforms import TRANSFORMS, Scope, Step
from syncd.mapping.values import UnfitError, text_of
from syncd.model.entities import Entity

Get = Callable[[Any, Scope], Any]
ABSENT: Final = object()  # stands for the value of an error that is about no value
_SHOWN_VALUES: Final = 12


class PlacedError(UnfitError):
    """An UnfitError that knows its place: the key path in the file and what was read there."""

    def __init__(self, err: UnfitError, *, place: str, origin: str) -> None:
        super().__init__(err.value, err.problem, part=err.part, known=err.known)
        self.place = f"{place}.{err.part}" if err.part else place
        self.origin = origin


def compile_condition(condition: Condition, stream: str) -> Callable[[Any], bool]:
    """Return the function that says whether `condition` holds for a record's data."""
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


def compile_field(specs: tuple[Spec, ...], entity: type[Entity], name: str) -> Get:
    """Return the function that gives field `name` of `entity`: the first of `specs` with a value wins."""
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
        return PlacedError(UnfitError(ABSENT, "gives nothing, and is required"), place=specs[0].place, origin=origins)

    return make


def _origin(spec: Spec) -> str:
    return " | ".join(spec.paths) or spec.template or "const"


def _compile_spec(spec: Spec, fit: fields.Fit | None) -> Get:
    if spec.const is not None:
        return _constant(spec.const)
    find = templates.compile_template(spec.template) if spec.template is not None else paths.compile_first(spec.paths)
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
        result = table.get(value if type(value) is str else text_of(value), ABSENT)
        if result is ABSENT:
            raise UnfitError(value, "has no entry", part="values", known=known)
        return result

    def step(value: Any, _: Scope) -> Any:
        if isinstance(value, list):
            return [result for member in value if (result := one(member)) is not None]
        return one(value)

    return step


def compile_payload(payload: Payload) -> Get:
    """Return the function that builds a payload; what was not found is left out, and what is empty then is None."""
    match payload:
        case Spec():
            return _compile_leaf(payload)
        case dict():
            return _compile_object({key: compile_payload(child) for key, child in payload.items()})
        case _:
            return _compile_list([compile_payload(child) for child in payload])


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
