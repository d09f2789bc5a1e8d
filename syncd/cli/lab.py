"""`syncd lab`: serve an imitated vendor on loopback until Ctrl-C."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from syncd.cli import output
from syncd.cli.output import JsonFlag
from syncd.cli.run import parse_past
from syncd.errors import ConfigError

if TYPE_CHECKING:
    from syncd.sdk.fake import FakeServer


def lab(
    connector: Annotated[str, typer.Argument(help="Whose API to imitate: github, pingcode, zoho_crm, email.")],
    data: Annotated[
        Path | None, typer.Option(help="What to serve: the folder of an export of the vendor's API, or `demo`.")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Serve the export as it was on this date.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The loopback port; any free one without it.")] = 0,
    fault: Annotated[
        list[str] | None, typer.Option(help="Misbehave, as KIND or KIND:TIMES, e.g. rate_limited:3; can be repeated.")
    ] = None,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Imitate a vendor's API on loopback, to try a configuration without touching a real tenant."""
    from syncd.cli.app import stop_on_signal
    from syncd.lab import open_fake

    at = parse_past(as_of, ZoneInfo("UTC"), "--as-of", now=datetime.now(UTC)) if as_of else None
    fake = open_fake(connector, data=data, as_of=at)
    _plan_faults(fake, fault or [])
    stop = threading.Event()
    with stop_on_signal(stop):
        _start(fake, port)
        try:
            _announce(connector, fake, as_json=as_json)
            stop.wait()
        finally:
            fake.stop()


def _start(fake: FakeServer, port: int) -> None:
    try:
        fake.start(port)
    except OSError as err:
        why = os.strerror(err.errno or 0)
        raise ConfigError(
            f"--port {port}: cannot be listened on ({why}); name another, or none for a free one"
        ) from err


def _plan_faults(fake: FakeServer, wanted: list[str]) -> None:
    from syncd.sdk.fake import Fault

    for text in wanted:
        kind, _, times = text.partition(":")
        if kind not in {fault.value for fault in Fault} or (times and not times.isdigit()):
            known = ", ".join(fault.value for fault in Fault)
            raise ConfigError(f"--fault {text}: write KIND or KIND:TIMES; kinds are {known}")
        fake.misbehave(Fault(kind), times=int(times or 1))


def _announce(connector: str, fake: FakeServer, *, as_json: bool) -> None:
    from syncd.lab.block import block_of

    block = block_of(connector, fake)
    if as_json:
        found = getattr(fake, "token", None)
        token = found if isinstance(found, str) else None  # elsewhere it is the handler of the token endpoint
        facts = {"connector": connector, "url": fake.url, "token": token}
        output.print_json({**facts, "config": block.config, "environment": block.environment})
    else:
        console = output.console()
        console.print(Text(f"{connector} imitated at ") + Text(fake.url, style="bold"))
        console.print(Text("for syncd.yaml, and for the environment of syncd:\n", style="dim"))
        sys.stdout.write(block.yaml())  # as it is: to be copied, so never broken into lines
        sys.stdout.writelines(f"\nexport {name}={shlex.quote(value)}" for name, value in block.environment.items())
        console.print(Text("\n\nCtrl-C ends the lab", style="dim"))
    sys.stdout.flush()
