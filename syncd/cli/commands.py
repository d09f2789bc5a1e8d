"""All commands, each in a module of its own below this package."""

from __future__ import annotations

import typer

from syncd.cli import (
    check,
    connectors,
    database,
    demo,
    digest,
    init,
    lab,
    parked,
    plan,
    run,
    schema,
    serve,
    status,
)


def register(app: typer.Typer) -> None:
    """Add every command to the application, in the order in which people need them."""
    app.command("demo")(demo.demo)
    app.command("init")(init.init)
    app.command("check")(check.check)
    app.command("run")(run.run)
    app.command("plan")(plan.plan)
    app.command("apply")(plan.apply)
    app.command("digest")(digest.digest)
    app.command("approve")(digest.approve)
    app.command("serve")(serve.serve)
    app.command("status")(status.status)
    app.add_typer(parked.app, name="parked")
    app.add_typer(connectors.app, name="connectors")
    app.command("schema")(schema.schema)
    app.command("lab")(lab.lab)
    app.add_typer(database.app, name="db")
