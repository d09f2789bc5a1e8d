"""The service: of all processes that are started, one leads and works, the others stand by to take its place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from syncd import log
from syncd.daemon.lead import Lead, config_version
from syncd.daemon.outage import Outage
from syncd.engine.workspace import Workspace
from syncd.errors import ConfigError, StoreError
from syncd.settings import Config
from syncd.store import Store, leases

LEASE: Final = "daemon"


class State(StrEnum):
    """What a process of the service does."""

    STANDBY = "standby"
    LEADING = "leading"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the service looks: for work, for the lead of another process, and how long a lead lasts unprolonged.

    A leader whose process has died on the same machine is replaced at once, one elsewhere after `term`. `grace_seconds`
    is what the work in hand gets at the end: a container is given ten seconds to stop.
    """

    tick_seconds: float = 1.0
    term: timedelta = timedelta(seconds=45)
    standby_seconds: float = 5.0
    grace_seconds: float = 8.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Service:
    """`syncd serve` without its web pages. `start` returns at once; `stop` when the work in hand is done."""

    def __init__(
        self, config: Config, store: Store, *, now: Callable[[], datetime] = _utc_now, pace: Pace | None = None
    ) -> None:
        self.config = config
        self.store = store
        self.now = now
        self._pace = pace or Pace()
        self._state = State.STOPPED
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._outage = Outage()
        self._lead: Lead | None = None
        self._is_clean = True
        self._thread = threading.Thread(target=self._live, name="service", daemon=True)

    @property
    def state(self) -> State:
        """What this process does now."""
        return self._state if self._thread.is_alive() else State.STOPPED

    @property
    def is_alive(self) -> bool:
        """Whether the service's own thread lives, or was never started."""
        return self._thread.is_alive() or self._thread.ident is None

    def start(self) -> None:
        """Begin to lead, or to wait for the one that leads; ConfigError when the configuration is wrong."""
        self._space(self.config, threading.Event()).validate()
        self._state = State.STANDBY
        self._thread.start()

    def stop(self) -> bool:
        """Finish the page or command in hand and stop; False when something is still under way after the grace period.

        What is cut off then is in the database as it was before: the next start goes on with it.
        """
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(self._pace.grace_seconds + 0.5)
        return self._is_clean and not self._thread.is_alive()

    def reload(self, config: Config) -> None:
        """Work with a changed configuration from now on; ConfigError, and the old one stays, when it is wrong."""
        self._space(config, threading.Event()).validate()
        for key in ("database", "web"):
            if getattr(config.service, key) != getattr(self.config.service, key):
                log.get().warning("setting needs a restart", setting=key)
        with self._lock:
            if self._lead is not None:
                self._lead.adopt(self._space(config, self._lead.stop))
            self.config = config
        log.get().info("configuration reloaded", version=config_version(config), accounts=len(config.accounts))

    def next_slot(self) -> datetime | None:
        """Return when the next digest is due, None while another process leads."""
        lead = self._lead
        return lead.next_slot() if lead is not None else None

    def _space(self, config: Config, stop: threading.Event) -> Workspace:
        return Workspace(config, self.store, stop=stop, now=self.now)

    # -- leading ----------------------------------------------------------------------------------------------

    def _live(self) -> None:
        while not self._stop.is_set():
            try:
                self._take_turn()
            except StoreError as err:
                self._outage.began(err)
            except ConfigError as err:
                log.get().error("lead failed", error=str(err))
            except Exception:  # noqa: BLE001  # the thread must live: without it nobody would ever lead again
                log.get().exception("lead crashed")
            self._state = State.STANDBY
            self._stop.wait(self._pace.standby_seconds)
        self._state = State.STOPPED

    def _take_turn(self) -> None:
        """Lead until we are stopped or lose the lead, if nobody else leads."""
        holder = leases.new_holder()  # a new name each time: what an earlier turn left open is taken over
        is_ours = self._prolong(holder)
        self._outage.ended()
        if not is_ours:
            return
        stop = threading.Event()
        with self._lock:
            lead = Lead(
                self._space(self.config, stop), holder, stop, outage=self._outage, tick_seconds=self._pace.tick_seconds
            )
            self._lead = lead
        try:
            lead.begin()
            self._state = State.LEADING
            log.get().info("lead taken", holder=holder, accounts=len(self.config.accounts))
            self._hold(holder)
        finally:
            with self._lock:
                self._lead = None
            self._is_clean = lead.end(self._pace.grace_seconds)
            if self._is_clean:
                leases.release(self.store, LEASE, holder)
            else:
                log.get().warning("work cut off", why="it outlasted the grace period; the next leader goes on with it")

    def _hold(self, holder: str) -> None:
        """Prolong the lead until we are stopped or it is another's; an outage of the database is sat out."""
        sure_until = self.now() + self._pace.term
        while not self._stop.wait(self._pace.term.total_seconds() / 3):
            try:
                is_ours = self._prolong(holder)
                sure_until = self.now() + self._pace.term
                self._outage.ended()
            except StoreError as err:
                self._outage.began(err)
                is_ours = self.now() < sure_until
            if not is_ours:
                log.get().warning("lead lost", holder=holder)
                return

    def _prolong(self, holder: str) -> bool:
        return leases.take(self.store, LEASE, holder, at=self.now(), term=self._pace.term)
