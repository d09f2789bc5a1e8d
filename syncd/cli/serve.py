"""`syncd serve`: the long-running service."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from syncd import log
from syncd.cli.output import DEFAULT_CONFIG, ConfigFolder
from syncd.errors import SyncdError

if TYPE_CHECKING:
    from syncd.daemon.scheduler import Service


def serve(context: typer.Context, config: ConfigFolder = DEFAULT_CONFIG) -> None:
    """Pull, compose and push by the clock until SIGTERM; SIGHUP reads the configuration anew.

    Started twice on one database, one process leads and the other stands by.
    """
    from syncd import settings
    from syncd.daemon.scheduler import Service
    from syncd.store import open_store

    loaded = settings.load(config)
    log.configure(level=loaded.service.log.level)
    store = open_store(loaded.service.database)
    service = Service(loaded, store)
    stop, hup = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: hup.set())
    web = context.obj(service, loaded.service.web.listen)
    service.start()
    web.start()
    log.get().info("service started", listen=loaded.service.web.listen, accounts=len(loaded.accounts))
    try:
        while not stop.wait(0.5):
            if hup.is_set():
                hup.clear()
                _reload(service, config)
    finally:
        service.stop()
        web.stop()
        store.close()
        log.get().info("service stopped")


def _reload(service: Service, folder: Path) -> None:
    """Take over a changed configuration; a wrong one is told and the old one stays in force."""
    from syncd import settings

    try:
        service.reload(settings.load(folder))
    except SyncdError as err:
        log.get().error("configuration not reloaded; the old one stays in force", error=str(err))
