"""`syncd schema`: JSON Schemas of the files that people edit, for their editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from syncd.cli import output
from syncd.cli.output import JsonFlag


def schema(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write one file per schema into this folder.")] = None,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Print the JSON Schemas of syncd.yaml, accounts/<client>.yaml and mappings/<connector>.yaml."""
    from syncd import settings
    from syncd.mapping import schema as mapping_schema

    found = {**settings.json_schemas(), "mapping": mapping_schema.json_schema()}
    if out is None:
        output.print_json(found)
        return
    paths = []
    for pattern, document in found.items():
        path = out / f"{pattern.removesuffix('.yaml').removesuffix('/*')}.schema.json"
        output.write_file(path, json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        paths.append(path)
    if as_json:
        output.print_json({"written": [str(path) for path in paths]})
    else:
        for path in paths:
            output.console().print(str(path))
