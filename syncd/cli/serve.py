"""`syncd serve`: the long-running service."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import typer

from syncd import log
from syncd.cli.output import ATTENTION, DEFAULT_CONFIG, ConfigFolder
from syncd.errors import SyncdError

if TYPE_CHECKING:
    from syncd.cli.app import Pages
    from syncd.daemon.scheduler import Service

_WATCH_SECONDS: Final = 5.0
_RELOAD_SECONDS: Final = 0.2  # while one is under way: another may have been asked for since


def serve(context: typer.Context, config: ConfigFolder = DEFAULT_CONFIG) -> None:
    """Pull, compose and push by the clock until SIGTERM; SIGHUP reads the configuration anew.

    Started twice on one database, one process leads and the other stands by.
    """
    signals = _Signals()  # before anything else: a SIGHUP that nobody handles ends the process
    from syncd import settings
    from syncd.daemon.scheduler import Service
    from syncd.store import open_store

    loaded = settings.load(config)
    log.configure(level=loaded.service.log.level)
    _forward_library_logs()
    store = open_store(loaded.service.database)
    service = Service(loaded, store)
    pages = context.obj(service, loaded.service.web.listen)
    is_clean, is_alive = True, True
    signals.is_watched = True
    try:
        pages.start()  # first: a second process by mistake, on the same port, must not begin to work
        service.start()
        log.get().info("service started", listen=loaded.service.web.listen, accounts=len(loaded.accounts))
        is_alive = _watch(signals, service, pages, config)
    finally:
        is_clean = service.stop()
        pages.stop()
        log.get().info("service stopped", clean=is_clean)
        if is_clean:
            store.close()
    if not is_clean:
        _leave_at_once(0)
    if not is_alive:
        raise typer.Exit(ATTENTION)


class _Signals:
    """What was asked by signal; `wait` returns when something is, or after a while.

    While it is not watched, at the start, a signal to stop ends the process.
    """

    def __init__(self) -> None:
        self.is_watched = False
        self.stop = False
        self.reload = False
        self._rung = threading.Event()
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if number := getattr(signal, name, None):  # Windows has no SIGHUP: there, restart instead
                signal.signal(number, self._ring)

    def wait(self, seconds: float) -> None:
        self._rung.wait(seconds)
        self._rung.clear()

    def take_reload(self) -> bool:
        """Say whether a reload is wanted; from now on a further signal asks for a further one."""
        wanted, self.reload = self.reload, False
        return wanted

    def _ring(self, number: int, _: FrameType | None) -> None:
        if signal.Signals(number).name == "SIGHUP":
            self.reload = True
        elif not self.is_watched:
            raise SystemExit(0)
        else:
            self.stop = True
        self._rung.set()


def _watch(signals: _Signals, service: Service, pages: Pages, folder: Path) -> bool:
    """Do what signals ask until they say stop; False when a thread has died, so that we are started anew.

    A reload has a thread of its own: ten thousand files take a while, and a signal to stop must not wait for them.
    """
    reloading = threading.Thread()
    while not signals.stop:
        if not reloading.is_alive() and signals.take_reload():
            reloading = threading.Thread(target=_reload, args=(service, folder), name="reload", daemon=True)
            reloading.start()
        if not (service.is_alive and pages.is_alive):
            log.get().error("service broken", why="one of its threads has died")
            return False
        signals.wait(_WATCH_SECONDS if not reloading.is_alive() else _RELOAD_SECONDS)
    return True


def _reload(service: Service, folder: Path) -> None:
    """Take over a changed configuration; a wrong one is told and the old one stays in force."""
    from syncd import settings

    try:
        loaded = settings.load(folder)
        service.reload(loaded)
    except SyncdError as err:
        log.get().error("configuration not reloaded", why="the old one stays in force", error=str(err))
    except Exception:  # noqa: BLE001  # the top of a thread: logged once, with its trace
        log.get().exception("configuration not reloaded")
    else:
        log.configure(level=loaded.service.log.level)


def _leave_at_once(code: int) -> None:
    """End the process now: what outlasts the grace period would hold it back. The database is safe, as after a kill."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class _Forward(logging.Handler):
    """Passes what libraries log on to our own log: one format, one line an event, secrets scrubbed."""

    def emit(self, record: logging.LogRecord) -> None:
        said = log.get(library=record.name, said=record.getMessage())
        if record.exc_info:
            said = said.bind(exc_info=record.exc_info)
        said.error("library error") if record.levelno >= logging.ERROR else said.warning("library warning")


def _forward_library_logs() -> None:
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)  # noqa: FBT003  # the signature is the library's
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # that a tick takes longer than a second is no news
