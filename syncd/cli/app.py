"""The Typer application: which commands there are, and what an error does."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer

from syncd import __version__, log
from syncd.cli import output
from syncd.errors import BusyError, ConfigError, StoppedError, SyncdError

if TYPE_CHECKING:
    from syncd.engine.workspace import Workspace

_INTERRUPTED: Final = "interrupted; what was stored stays, the next run goes on from there"

_REPORT: Final = "this is a fault of syncd; please report it, with what --log-level debug says"
_USAGE_ERROR: Final[Any] = typer.BadParameter.__base__  # Typer exports only what is derived from it
_LEVELS: Final = ("debug", "info", "warning", "error")

app = typer.Typer(
    name="syncd",
    help="Honest progress digests for client projects: pull, reconcile, compose, push.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:  # noqa: FBT001  # the signature that Typer calls
    if wanted:
        sys.stdout.write(f"syncd {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning or error.")] = "warning",
) -> None:
    del version
    if log_level not in _LEVELS:
        raise ConfigError(f"--log-level {log_level!r}: choose one of {', '.join(_LEVELS)}")
    log.configure(level=log_level)


class Pages(Protocol):
    """The web pages of a service, as `syncd serve` starts and stops them."""

    def start(self) -> None:
        """Begin to listen; ConfigError when the address is taken."""
        ...

    def stop(self) -> None:
        """Stop listening."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether they are still served."""
        ...


MakePages = Callable[[object, str], Pages]


def main(*, pages: MakePages) -> None:
    """Run the command line; errors of ours are printed, never traced. `pages` makes the web pages of a service."""
    from syncd.cli import commands

    commands.register(app)
    as_json = "--json" in sys.argv
    try:
        _run(pages, as_json=as_json)
    except ConfigError as err:
        output.print_error(err, as_json=as_json)
        sys.exit(output.CONFIG)
    except (StoppedError, KeyboardInterrupt):
        output.print_error(_INTERRUPTED, as_json=as_json, kind=StoppedError.__name__)
        sys.exit(output.INTERRUPTED)
    except BusyError as err:
        output.print_error(err, as_json=as_json)
        sys.exit(output.ATTENTION)
    except SyncdError as err:
        output.print_error(err, as_json=as_json)
        sys.exit(output.ATTENTION)
    except BrokenPipeError:
        sys.stderr.close()
    except Exception as err:  # noqa: BLE001  # the top: a fault of ours is one line, its trace is for whoever asks
        log.get().debug("command failed", exc_info=err)
        what = log.one_line(log.scrub(f"{type(err).__name__}: {err}"))[:300]
        output.print_error(f"{what}\n{_REPORT}", as_json=as_json, kind=type(err).__name__)
        sys.exit(output.ATTENTION)


def _run(pages: MakePages, *, as_json: bool) -> None:
    """Run the command that was typed; with `as_json` a wrong option or argument is told as JSON, too."""
    if not as_json:
        app(obj=pages)
        return
    try:
        code = app(obj=pages, standalone_mode=False)
    except _USAGE_ERROR as err:
        output.print_error(err.format_message(), as_json=True, kind="UsageError")
        code = output.CONFIG
    sys.exit(code or output.OK)


@contextlib.contextmanager
def workspace(folder: Path, *, read_only: bool = False, stop: threading.Event | None = None) -> Iterator[Workspace]:
    """Open the configuration and its database for a command, and close both after it."""
    from syncd import settings
    from syncd.engine.workspace import Workspace
    from syncd.store import open_store

    config = settings.load(folder)
    store = open_store(config.service.database)
    space = Workspace(config, store, stop=stop, read_only=read_only)
    try:
        space.validate()
        yield space
    finally:
        space.close()
        store.close()


@contextlib.contextmanager
def stop_on_signal(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM finish the page in hand, and the second one end at once."""

    def asked(number: int, _frame: object) -> None:
        del number
        if stop.is_set():
            # Threads that wait for a vendor would hold an orderly end; the database takes a sudden one.
            output.print_error(_INTERRUPTED)
            sys.stderr.flush()
            os._exit(output.INTERRUPTED)
        stop.set()
        output.console(to_stderr=True).print("stopping after the page in hand; once more to stop at once", style="dim")

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
