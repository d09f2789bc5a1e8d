"""Finds, reads and compiles mapping files: the user's first, then the shipped one."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from syncd.errors import ConfigError
from syncd.mapping import document, reader
from syncd.mapping.apply import Mapping

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_LARGEST_FILE: Final = 1_000_000


def load(connector: str, *, user_dir: Path | None) -> Mapping:
    """Return the mapping of `connector`, compiled; `user_dir`/<connector>.yaml wins over the shipped file.

    Raises ConfigError with file, line, key path and what is allowed there.
    """
    path, label = _find(connector, user_dir)
    try:
        content = path.read_bytes()
    except OSError as err:
        raise ConfigError(f"{label}: cannot be read: {err.strerror or err}") from err
    return parse(content, connector=connector, path=path, label=label)


def parse(content: bytes, *, connector: str, path: Path, label: str | None = None) -> Mapping:
    """Return the mapping that `content` describes; `label` is the file's name in messages."""
    name = label or str(path)
    if len(content) > _LARGEST_FILE:
        raise ConfigError(f"{name}: larger than {_LARGEST_FILE} bytes; this is no mapping file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = content.count(b"\n", 0, err.start) + 1
        raise ConfigError(f"{name}:{line}: not UTF-8; save the file as UTF-8") from err
    file = reader.read(document.parse(text, name), connector=connector)
    return Mapping(file, path=path, fingerprint=hashlib.sha256(content).hexdigest())


def shipped_dir() -> Path:
    """Return the folder of the mappings that come with syncd: in a wheel, else in the repository."""
    package = Path(__file__).resolve().parent.parent
    wheel = package / "_shipped" / "mappings"
    return wheel if wheel.is_dir() else package.parent / "mappings"


def _find(connector: str, user_dir: Path | None) -> tuple[Path, str]:
    if not _NAME.fullmatch(connector):
        raise ConfigError(f"{connector!r} is not the name of a connector; write lower-case letters, digits and _")
    shipped = shipped_dir() / f"{connector}.yaml"
    candidates = [(shipped, f"mappings/{connector}.yaml")]
    if user_dir is not None:
        own = user_dir / f"{connector}.yaml"
        candidates.insert(0, (own, str(own)))
    for path, label in candidates:
        if path.is_file():
            return path, label
    looked = " and ".join(str(path) for path, _ in candidates)
    known = ", ".join(sorted(path.stem for path in shipped_dir().glob("*.yaml"))) or "none"
    raise ConfigError(f"there is no mapping for {connector!r}: looked for {looked}; shipped mappings: {known}")
