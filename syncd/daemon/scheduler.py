"""The service: one process of all that are started leads; it ticks, and the database says what a tick may do.

APScheduler keeps the time and the thread pool. Uniqueness never rests on it: a slot is a row, a command is a row.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from syncd import log
from syncd.daemon import jobs
from syncd.daemon.jobs import Holder
from syncd.engine.reconcile import calendar_of
from syncd.engine.workspace import Workspace
from syncd.errors import StoppedError, SyncdError
from syncd.rhythm import When, next_due, slots_between
from syncd.settings import AccountSettings, Config
from syncd.store import Store, firings, leases

LEASE: Final = "daemon"
_TERM: Final = timedelta(seconds=45)
_TICK_SECONDS: Final = 5
_PUSH_SECONDS: Final = 5
_HELD_RETRY: Final = timedelta(minutes=2)
_CATCH_UP: Final = timedelta(hours=24)
_GRACE_SECONDS: Final = 8.0
_MOST_THREADS: Final = 200


class Service:
    """`syncd serve` without its web pages. `start` returns at once; `stop` returns when the work in hand is done.

    `state` is "standby" while another process leads, "leading", or "stopped".
    """

    def __init__(self, config: Config, store: Store, *, now: Callable[[], datetime] | None = None) -> None:
        self.store = store
        self.state = "stopped"
        self.next_firings: dict[str, datetime] = {}
        self._now = now
        self._stop = threading.Event()
        self._lock = threading.RLock()
        self._holder_name = leases.new_holder()
        self._busy: set[str] = set()
        self._slots: dict[str, datetime] = {}
        self._scheduler: BackgroundScheduler | None = None
        self._thread: threading.Thread | None = None
        self._space = self._workspace(config)

    @property
    def space(self) -> Workspace:
        """The configuration at work."""
        return self._space

    # -- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to lead, or to wait for the one that leads."""
        self._space.validate()
        self._stop.clear()
        self.state = "standby"
        self._thread = threading.Thread(target=self._live, name="service", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the page or command in hand and stop; within ten seconds, or what is left is the next start's."""
        self._stop.set()
        if self._thread:
            self._thread.join(_GRACE_SECONDS + 1.5)
        self.state = "stopped"

    def reload(self, config: Config) -> None:
        """Work with a changed configuration from now on; jobs under way end with the one they began with."""
        fresh = self._workspace(config)
        fresh.validate()
        with self._lock:
            self._space = fresh
            if self._scheduler is not None:
                self._scheduler.remove_all_jobs()
                self._add_jobs(self._scheduler)
        log.get().info("configuration reloaded", version=config_version(config))

    def _workspace(self, config: Config) -> Workspace:
        kwargs: dict[str, Any] = {"now": self._now} if self._now else {}
        return Workspace(config, self.store, stop=self._stop, **kwargs)

    def _live(self) -> None:
        while not self._stop.is_set():
            try:
                if leases.take(self.store, LEASE, self._holder_name, at=self._space.now(), term=_TERM):
                    self._lead()
            except SyncdError as err:
                log.get().error("service interrupted", error=str(err))
            self.state = "standby"
            self._stop.wait(_TERM.total_seconds() / 9)

    def _lead(self) -> None:
        """Run the schedules until we are stopped or lose the lead."""
        self.state = "leading"
        log.get().info("leading", holder=self._holder_name)
        threads = min(2 * len(self._space.config.service.connections) + 8, _MOST_THREADS)
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(threads)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        with self._lock:
            self._scheduler = scheduler
            self._add_jobs(scheduler)
        scheduler.start()
        try:
            while not self._stop.wait(_TERM.total_seconds() / 3):
                if not leases.take(self.store, LEASE, self._holder_name, at=self._space.now(), term=_TERM):
                    log.get().error("lead lost", holder=self._holder_name)
                    return
        finally:
            with self._lock:
                self._scheduler = None
            self._wind_down(scheduler)
            leases.release(self.store, LEASE, self._holder_name)

    def _wind_down(self, scheduler: BackgroundScheduler) -> None:
        """Wait for running jobs, but not longer than a container is given to stop."""
        scheduler.pause()
        ender = threading.Thread(target=scheduler.shutdown, kwargs={"wait": True}, daemon=True)
        ender.start()
        ender.join(_GRACE_SECONDS)
        if ender.is_alive():
            log.get().warning("jobs still running at the end of the grace period; the next start goes on with them")

    # -- schedules --------------------------------------------------------------------------------------------

    def _add_jobs(self, scheduler: BackgroundScheduler) -> None:
        space = self._space
        self.next_firings.clear()
        holder = Holder(self._holder_name, config_version(space.config))
        for name in space.config.service.connections:
            if space.spec(name).streams:
                self._every(scheduler, f"pull:{name}", _TICK_SECONDS, self._pull, name, holder)
        self._every(scheduler, "push", _PUSH_SECONDS, self._push)
        self._every(scheduler, "prune", 86_400, lambda: jobs.prune(self._space))
        for account in space.config.accounts.values():
            for when in {row.when.text: row.when for row in account.plan if not row.when.with_digest}.values():
                self._plan(scheduler, account, when, holder)

    def _every(
        self, scheduler: BackgroundScheduler, name: str, seconds: int, work: Callable[..., Any], *args: Any
    ) -> None:
        scheduler.add_job(
            self._guarded,
            IntervalTrigger(seconds=seconds),
            args=(name, work, *args),
            id=name,
            next_run_time=self._space.now(),
        )

    def _guarded(self, name: str, work: Callable[..., Any], *args: Any) -> None:
        """Run a job; its error is logged once and never ends the service."""
        try:
            work(*args)
        except StoppedError:
            log.get().debug("job stopped", job=name)
        except SyncdError as err:
            log.get().error("job failed", job=name, error=str(err))
        except Exception:  # noqa: BLE001  # the top of a job: logged once, with its trace
            log.get().exception("job crashed", job=name)

    def _pull(self, connection: str, holder: Holder) -> None:
        jobs.pull_due(self._space, connection, holder, self._slots)

    def _push(self) -> None:
        """Hand each connection that has something to send to a thread of its own, one at a time per connection."""
        scheduler = self._scheduler
        for connection in jobs.connections_due(self._space):
            with self._lock:
                if connection in self._busy or scheduler is None:
                    continue
                self._busy.add(connection)
            scheduler.add_job(self._guarded, args=(f"push:{connection}", self._push_one, connection))

    def _push_one(self, connection: str) -> None:
        try:
            jobs.push_due(self._space, connection)
        finally:
            with self._lock:
                self._busy.discard(connection)

    def _plan(self, scheduler: BackgroundScheduler, account: AccountSettings, when: When, holder: Holder) -> None:
        """Schedule a rhythm: first what a stopped process left behind or missed, then the next slot."""
        schedule = jobs.plan_schedule(account, when.text)
        now = self._space.now()
        with self.store.begin() as database:
            firings.register(database, schedule, at=now, config_version=holder.config_version, holder=holder.name)
            latest = firings.latest(database, schedule) or now
            abandoned = [due for name, due in firings.abandoned(database, schedule, holder.name) if name == schedule]
        missed = slots_between(when, max(latest, now - _CATCH_UP), now, account.zone, calendar_of(account).is_working)
        for slot in [*abandoned, *missed[-1:]]:
            self._at(scheduler, now, account, when, slot, holder)
        self._schedule_next(scheduler, account, when, now, holder)

    def _schedule_next(
        self, scheduler: BackgroundScheduler, account: AccountSettings, when: When, after: datetime, holder: Holder
    ) -> None:
        slot = next_due(when, after, account.zone, calendar_of(account).is_working)
        if slot is not None:
            self.next_firings[jobs.plan_schedule(account, when.text)] = slot
            self._at(scheduler, slot, account, when, slot, holder)

    def _at(
        self,
        scheduler: BackgroundScheduler,
        at: datetime,
        account: AccountSettings,
        when: When,
        slot: datetime,
        holder: Holder,
    ) -> None:
        name = f"{jobs.plan_schedule(account, when.text)}@{slot.isoformat()}"
        args = (name, self._fire, account, when, slot, holder)
        scheduler.add_job(self._guarded, DateTrigger(at), args=args, id=name, replace_existing=True)

    def _fire(self, account: AccountSettings, when: When, slot: datetime, holder: Holder) -> None:
        """Do a slot that we can claim, and see to the next one."""
        scheduler = self._scheduler
        if scheduler is None:
            return
        schedule = jobs.plan_schedule(account, when.text)
        if self.next_firings.get(schedule) == slot:
            self._schedule_next(scheduler, account, when, slot, holder)
        if not self._claim(schedule, slot, holder):
            return
        upcoming = self.next_firings.get(schedule)
        is_last_try = upcoming is not None and self._space.now() + _HELD_RETRY >= upcoming
        settled = jobs.compose_slot(self._space, account, when.text, slot, is_last_try=is_last_try)
        if settled:
            self._push()
        else:
            self._at(scheduler, self._space.now() + _HELD_RETRY, account, when, slot, holder)

    def _claim(self, schedule: str, slot: datetime, holder: Holder) -> bool:
        """Claim a slot, go on with our own one, or take over one whose process died."""
        now = self._space.now()
        with self.store.begin() as database:
            if firings.claim(
                database, schedule, slot, at=now, config_version=holder.config_version, holder=holder.name
            ):
                return True
            if firings.state_of(database, schedule, slot) == ("running", holder.name):
                return True
            # Only the leader gets here, so a slot that another holder still "runs" was left by a dead process.
            return firings.take_over(database, schedule, slot, holder=holder.name, at=now)


def config_version(config: Config) -> str:
    """Return a short fingerprint of the configuration, kept with each firing."""
    return hashlib.sha256(config.model_dump_json(exclude={"folder", "mappings"}).encode()).hexdigest()[:12]
