"""`syncd connectors`: what is installed, generated from the code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from syncd.cli import output
from syncd.cli.output import DEFAULT_CONFIG, ConfigFolder, JsonFlag
from syncd.errors import ConfigError
from syncd.yamlfile import hint

app = typer.Typer(help="The installed connectors, their streams, operations and mappings.")


@app.callback(invoke_without_command=True)
def list_(context: typer.Context, as_json: JsonFlag = False) -> None:  # noqa: FBT002
    """List the installed connectors with their streams and operations."""
    if context.invoked_subcommand is not None:
        return
    found = describe()
    if as_json:
        output.print_json(found)
        return
    rows = [(c["name"], c["title"], c["role"], _names(c["streams"]), _operations(c["operations"])) for c in found]
    output.console().print(output.table("connector", "", "role", "streams", "operations (delivery class)", rows=rows))


def describe() -> list[dict[str, Any]]:
    """Return the installed connectors as plain data."""
    from syncd import registry

    return [_described(registry.spec(name)) for name in registry.names()]


def _described(spec: Any) -> dict[str, Any]:
    return {
        "name": spec.name,
        "title": spec.title,
        "role": spec.role.value,
        "streams": [
            {
                "name": stream.name,
                "incremental": stream.incremental,
                "overlap_seconds": int(stream.overlap.total_seconds()),
                "deletes": stream.deletes.value,
                "partitioned": stream.partitioned,
                "cadence_seconds": int(stream.cadence.total_seconds()),
            }
            for stream in spec.streams
        ],
        "operations": [
            {"name": operation.name, "delivery": operation.delivery.value, "max_bytes": operation.max_bytes}
            for operation in spec.operations
        ],
        "config": sorted(field.alias or name for name, field in spec.config.model_fields.items()),
    }


def _names(parts: list[dict[str, Any]]) -> str:
    return ", ".join(part["name"] for part in parts) or "–"


def _operations(parts: list[dict[str, Any]]) -> str:
    return ", ".join(f"{part['name']} ({part['delivery']})" for part in parts) or "–"


@app.command()
def explain(
    connector: Annotated[str, typer.Argument(help="A connector.")],
    stream: Annotated[str | None, typer.Argument(help="One of its streams; all without one.")] = None,
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Show how a stream's records become entities: field by field, from the mapping file in force."""
    from syncd import registry
    from syncd.mapping import loader
    from syncd.mapping.explain import explain as rows_of

    registry.spec(connector)
    mapping = loader.load(connector, user_dir=_user_mappings(config))
    if stream is not None and stream not in mapping.streams:
        raise ConfigError(f"{connector}: {stream!r} is not a mapped stream; {hint(stream, mapping.streams)}")
    streams = [stream] if stream else sorted(mapping.streams)
    found = {name: [row.as_dict() for row in rows_of(mapping, name)] for name in streams}
    if as_json:
        output.print_json({"mapping": str(mapping.path), "streams": found})
        return
    console = output.console()
    for name, rows in found.items():
        console.print(Text(f"{name}  ", style="bold") + Text(str(mapping.path), style="dim"))
        lines = [
            (
                row["entity"],
                row["field"],
                row["from"],
                row["transform"],
                row["values"] or row["default"],
                "✔" if row["required"] else "",
            )
            for row in rows
        ]
        console.print(output.table("entity", "field", "from", "transform", "values or default", "required", rows=lines))
        for condition in dict.fromkeys(f"{row['entity']} when {row['when']}" for row in rows if row["when"]):
            console.print(Text(f"  {condition}", style="dim"))
        console.print()


def _user_mappings(config: Path) -> Path | None:
    folder = config.parent / "mappings"
    return folder if folder.is_dir() else None
