"""YAML files that people edit: loaded with line numbers, so that an error can point at its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from syncd.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Location = Sequence[int | str]


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
            raise ConfigError("\n".join(faults)) from err

    def _fault(self, model: type[BaseModel], fault: dict[str, Any], below: Location) -> str:
        location = [*below, *(step for step in fault["loc"] if step not in ("function-after", "function-before"))]
        what = self.at(location)
        if fault["type"] == "extra_forbidden":
            return f"{what}: unknown key; {hint(str(fault['loc'][-1]), _keys(model, fault['loc'][:-1]))}"
        message = fault["msg"].removeprefix("Value error, ")
        shown = "" if fault["type"] in ("missing", "value_error") else f" (it is {short(fault.get('input'))})"
        return f"{what}: {message[:1].lower()}{message[1:]}{shown}"


def load(path: Path) -> YamlFile:
    """Load one YAML file whose top level is a mapping; ConfigError with the line when it is not YAML."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: cannot be read ({err})") from err
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    try:
        data = yaml.load(text)
    except MarkedYAMLError as err:
        mark = err.problem_mark
        line = mark.line + 1 if mark else 1
        problem = str(err.problem or err).split("\n")[0]
        raise ConfigError(f"{path}:{line}: not valid YAML: {problem}") from err
    except YAMLError as err:
        raise ConfigError(f"{path}: not valid YAML: {err}") from err
    if data is None:
        data = CommentedMap()
    if not isinstance(data, CommentedMap):
        raise ConfigError(f"{path}:1: the file must be a mapping of keys, not {type(data).__name__}")
    return YamlFile(path, data)


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
        current = _step(current, step)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


def _step(current: Any, step: int | str) -> Any:
    if isinstance(current, type) and issubclass(current, BaseModel):
        for name, field in current.model_fields.items():
            if step in (name, field.alias):
                return _bare(field.annotation)
        return None
    return _bare(current)


def _bare(annotation: Any) -> Any:
    """Return the model inside `list[Model]`, `dict[str, Model]` or `Model | None`."""
    arguments = getattr(annotation, "__args__", None)
    if not arguments:
        return annotation
    models = [_bare(a) for a in arguments]
    return next((m for m in models if isinstance(m, type) and issubclass(m, BaseModel)), None)
