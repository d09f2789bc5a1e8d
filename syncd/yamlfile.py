"""YAML files that people edit: loaded with line numbers, so that an error can point at its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import SkipJsonSchema
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from syncd.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Location = Sequence[int | str]

_WORDS: Final = {
    "missing": "is missing",
    "string_type": "must be text: put it in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must hold keys, one a line below it",
    "model_type": "must hold keys, one a line below it",
    "model_attributes_type": "must hold keys, one a line below it",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "date_type": "must be a date such as 2026-06-30",
    "date_parsing": "must be a date such as 2026-06-30",
    "date_from_datetime_parsing": "must be a date such as 2026-06-30",
    "date_from_datetime_inexact": "must be a date such as 2026-06-30, without a time",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "too_short": "must have at least {min_length} entry",
    "string_too_short": "must not be empty",
}
_SCALARS: Final = ("int_", "float_", "bool_", "date_", "greater_", "less_", "finite_")  # errors that may show text
# The words for what YAML's parser says; its own quote what stands there, which may be a secret.
_NOT_YAML: Final = (
    ("character '\\t'", "a tab stands where spaces belong; indent with spaces only"),
    ("that cannot start any token", "a text that begins with a special character needs quotes"),
    ("undefined alias", "a text that begins with * needs quotes"),
    ("another document", "a second document begins (---); keep one per file"),
    ("mapping values are not allowed", "a colon too many, or a wrong indent; put a text with a colon in quotes"),
)
_DUPLICATE: Final = re.compile(r'found duplicate key "(.*?)" with value', re.DOTALL)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A loaded file: plain data that still knows where each key stands."""

    path: Path
    data: CommentedMap

    def line(self, location: Location) -> int:
        """Return the line (from 1) of the deepest part of `location` that stands in the file."""
        node: Any = self.data
        line = 1
        for step in location:
            if isinstance(node, CommentedMap) and step in node:
                if step in node.lc.data:  # not for a key that was merged in with <<
                    line = node.lc.key(step)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
                line = node.lc.item(step)[0] + 1
            else:
                break
            node = node[step]
        return line

    def at(self, location: Location) -> str:
        """Return `file:line: key.path` for an error message."""
        return f"{self.path}:{self.line(location)}: {dotted(location)}"

    def parse(self, model: type[Model], data: Any = None, *, below: Location = ()) -> Model:
        """Validate the file (or `data`, standing at `below`) as `model`; ConfigError lists every fault by line."""
        try:
            return model.model_validate(plain(self.data if data is None else data))
        except ValidationError as err:
            faults = [self._fault(model, dict(fault), below) for fault in err.errors(include_url=False)]
        raise ConfigError("\n".join(faults))  # without its cause, which carries the values

    def _fault(self, model: type[BaseModel], fault: dict[str, Any], below: Location) -> str:
        what = self.at([*below, *fault["loc"]])
        if fault["type"] == "extra_forbidden":
            return f"{what}: unknown key; {hint(str(fault['loc'][-1]), _keys(model, fault['loc'][:-1]))}"
        return f"{what}: {explain(fault)}"


def load(path: Path) -> YamlFile:
    """Load one YAML file whose top level is a mapping; ConfigError with the line when it is not YAML."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from err
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read ({err.strerror}); check the path and its rights") from err
    data = _parse(path, text)
    if data is None:
        raise ConfigError(f"{path}:1: the file is empty")
    if not isinstance(data, CommentedMap):
        raise ConfigError(f"{path}:1: the file must hold keys (name: value), not {_kind(data)}")
    return YamlFile(path, data)


def _parse(path: Path, text: str) -> Any:
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    try:
        return yaml.load(text)
    except MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else 1
        problem = _problem(str(err.problem or err))
    except YAMLError as err:
        position = getattr(err, "position", 0)
        line = text.count("\n", 0, position) + 1
        problem = "not valid YAML: a character that does not belong into text"
    raise ConfigError(f"{path}:{line}: {problem}")  # without its cause, which quotes the file


def _problem(text: str) -> str:
    """Return what is wrong with a YAML file, without what stands in it."""
    if found := _DUPLICATE.match(text):
        return f"the key {found[1]!r} is there twice; rename or remove one"
    known = next((words for fragment, words in _NOT_YAML if fragment in text), None)
    return f"not valid YAML: {known or text.splitlines()[0]}"


def explain(fault: Mapping[str, Any]) -> str:
    """Return a validation fault in plain words; a text is shown only where no secret can stand."""
    kind, given = str(fault["type"]), fault.get("input")
    if kind == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    if kind in ("literal_error", "enum"):
        allowed = re.findall(r"'([^']*)'", str(fault["ctx"]["expected"]))
        shown = short(given) if isinstance(given, str) else _kind(given)
        return f"{shown} is not allowed; {hint(given if isinstance(given, str) else '', allowed)}"
    words = _WORDS.get(kind, "").format(**fault.get("ctx", {})) or str(fault["msg"])
    if kind == "missing":
        return words
    return f"{words} (it is {short(given) if isinstance(given, str) and kind.startswith(_SCALARS) else _kind(given)})"


def _kind(value: Any) -> str:
    """Return what a value is, and for a number or date which."""
    match value:
        case None:
            return "empty"
        case bool():
            return str(value).lower()
        case int() | float() | date():
            return str(value)
        case str():
            return "a text"
        case Mapping():
            return "a block of keys"
        case list() | tuple():
            return "a list"
    return "something else"


def plain(node: Any) -> Any:
    """Return `node` as plain dict, list and scalars."""
    if isinstance(node, Mapping):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    return str(node) if isinstance(node, str) else node


def hint(given: str, allowed: Iterable[str]) -> str:
    """Return "did you mean …; allowed: …" for a name that does not exist."""
    names = sorted(allowed)
    close = difflib.get_close_matches(given, names, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{meant}allowed: {', '.join(names)}" if names else "nothing is allowed here"


def dotted(location: Location) -> str:
    """Return a key path such as `connections.crm.config`."""
    return ".".join(str(step) for step in location) or "file"


def short(value: Any) -> str:
    """Return a value in a form fit for a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _keys(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that `model` allows at `location`."""
    current: Any = model
    for step in location:
        current = _inside(current, step)
    return [
        field.alias or name
        for option in _options(current)
        if isinstance(option, type) and issubclass(option, BaseModel)
        for name, field in option.model_fields.items()
        if not any(type(mark) is SkipJsonSchema for mark in field.metadata)
    ]


def _inside(annotation: Any, step: int | str) -> Any:
    """Return the type of what stands at `step` inside a type."""
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            for name, field in option.model_fields.items():
                if step in (name, field.alias):
                    return field.annotation
        elif get_origin(option) in (dict, list, tuple):
            return get_args(option)[-1 if get_origin(option) is dict else 0]
    return None


def _options(annotation: Any) -> list[Any]:
    """Return the types that `A | B | None` or `Annotated[A, …]` stands for."""
    if get_origin(annotation) in (Union, UnionType):
        return [option for part in get_args(annotation) for option in _options(part)]
    return _options(get_args(annotation)[0]) if get_origin(annotation) is Annotated else [annotation]
