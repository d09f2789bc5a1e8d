"""The block of `syncd.yaml` that connects to a running fake, ready to be copied."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr

from syncd import registry

_ATTRIBUTES: Final[Mapping[str, str]] = {"base_url": "url", "smtp": "url", "api_key": "key"}  # where fakes keep them
_BLANK: Final = "CHANGE-ME"
_SENDER: Final = "Reports <reports@agency.example>"


@dataclass(frozen=True, slots=True)
class Block:
    """A connection's `config:`, its secrets as references, and the environment that those refer to."""

    connector: str
    config: Mapping[str, Any]
    environment: Mapping[str, str]

    def yaml(self) -> str:
        """Return it as it is written below `connections:`; JSON values are YAML, too."""
        lines = [
            "connections:",
            f"  {self.connector}:",
            f"    connector: {self.connector}",
            "    allow_private_hosts: [127.0.0.1]",
            "    config:",
            *(f"      {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in self.config.items()),
        ]
        return "\n".join(lines) + "\n"


def block_of(connector: str, fake: Any) -> Block:
    """Return the block that connects to a running fake."""
    fields = registry.spec(connector).config.model_fields
    secret = {info.alias or name for name, info in fields.items() if _is_secret(info.annotation)}
    config: dict[str, Any] = {}
    environment: dict[str, str] = {}
    for key, value in _values(fields, fake).items():
        config[key] = value
        if key in secret:
            name = f"LAB_{connector}_{key}".upper()
            environment[name], config[key] = str(value), f"env:{name}"
    return Block(connector, config, environment)


def _values(fields: Mapping[str, Any], fake: Any) -> dict[str, Any]:
    if callable(getattr(fake, "config", None)):
        return dict(fake.config())
    found: dict[str, Any] = {}
    for name, info in fields.items():
        key = info.alias or name
        value = getattr(fake, _ATTRIBUTES.get(key, key), None)
        if isinstance(value, str):
            found[key] = value
        elif info.is_required():
            found[key] = _SENDER if key == "from" else list(value or [_BLANK])
    return found


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in getattr(annotation, "__args__", ())
