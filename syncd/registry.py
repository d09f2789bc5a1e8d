"""Connectors, found through the entry-point group `syncd.connectors` and nowhere else."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from pydantic import BaseModel, SecretStr, ValidationError

from syncd import log
from syncd.errors import ConfigError
from syncd.sdk.connector import Connector, ConnectorContext, ConnectorSpec
from syncd.sdk.fake import FakeServer
from syncd.settings import BY_REFERENCE, ConnectionSettings, is_reference, resolve_reference
from syncd.yamlfile import explain, hint

GROUP: Final = "syncd.connectors"


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def names() -> list[str]:
    """Return the names of all installed connectors."""
    return sorted(_entries())


@cache
def connector_class(name: str) -> type[Any]:
    """Return the connector class called `name`; ConfigError lists what is installed."""
    entry = _entries().get(name)
    if entry is None:
        raise ConfigError(f"connector {name!r} is not installed; {hint(name, _entries())}")
    try:
        return cast("type[Any]", entry.load())
    except (ImportError, AttributeError) as err:
        raise ConfigError(f"connector {name!r} cannot be loaded ({err}); install it again with what it needs") from err


def spec(name: str) -> ConnectorSpec:
    """Return what the connector called `name` is."""
    return cast("ConnectorSpec", connector_class(name).spec)


def fake_class(name: str) -> type[FakeServer]:
    """Return the fake of the connector called `name`, by the convention `<module>.fake:Fake`."""
    module = connector_class(name).__module__.rpartition(".")[0]
    return cast("type[FakeServer]", importlib.import_module(f"{module}.fake").Fake)


def open_connector(connection: str, settings: ConnectionSettings, context: ConnectorContext) -> Connector:
    """Make the connector of a connection, its secrets resolved; ConfigError with the key path."""
    kind = connector_class(settings.connector)
    config = _parse_config(connection, settings, kind.spec)
    return cast("Connector", kind(config, context=context))


def validate(connection: str, settings: ConnectionSettings) -> ConnectorSpec:
    """Check a connection's block without touching its secrets' values; return the connector's spec."""
    here = ("connections", connection)
    try:
        found = spec(settings.connector)
    except ConfigError as err:
        raise ConfigError(f"{settings.at(*here, 'connector')}: {err}") from err
    streams = {stream.name for stream in found.streams} | {"census"}
    for name in settings.pull:
        if name not in streams:
            where = settings.at(*here, "pull", name)
            raise ConfigError(f"{where}: {name!r} is not a stream of {found.name!r}; {hint(name, streams)}")
    for key, value in settings.config.items():
        field = _field(found.config, key)
        where = settings.at(*here, "config", key)
        if field is None:
            raise ConfigError(f"{where}: unknown key; {hint(key, _keys(found.config))}")
        if _is_secret(field.annotation) and not is_reference(value):
            raise ConfigError(f"{where}: {BY_REFERENCE}")
    for name, field in found.config.model_fields.items():
        if field.is_required() and (field.alias or name) not in settings.config:
            raise ConfigError(f"{settings.at(*here, 'config', field.alias or name)}: is missing; {found.name} needs it")
    return found


def _parse_config(connection: str, settings: ConnectionSettings, found: ConnectorSpec) -> BaseModel:
    validate(connection, settings)
    here = ("connections", connection, "config")
    values = {
        key: resolve_reference(value, where=settings.at(*here, key)) if is_reference(value) else value
        for key, value in settings.config.items()
    }
    try:
        return found.config.model_validate(values)
    except ValidationError as err:
        faults = [
            f"{settings.at(*here, *fault['loc'])}: {log.scrub(explain(cast('dict[str, Any]', fault)))}"
            for fault in err.errors(include_url=False)
        ]
    raise ConfigError("\n".join(faults))  # without its cause, which carries the values


def _field(model: type[BaseModel], key: str) -> Any:
    """Return the field that a key of the file stands for, by alias or name."""
    return next((field for name, field in model.model_fields.items() if key == (field.alias or name)), None)


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in getattr(annotation, "__args__", ())
