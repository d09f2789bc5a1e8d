"""One term of leading: what is due is taken from the agendas and done on thread pools, one job a lane.

APScheduler ticks. Uniqueness never rests on this process: a slot is a row, a command is a row.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Final

from apscheduler.executors.pool import ThreadPoolExecutor as TickExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from syncd import log
from syncd.daemon import jobs
from syncd.daemon.agenda import Agenda
from syncd.daemon.cadence import Track, cadences
from syncd.daemon.composer import Composer
from syncd.daemon.jobs import Holder
from syncd.daemon.outage import Outage
from syncd.daemon.spaces import Spaces
from syncd.engine.workspace import Workspace
from syncd.errors import BusyError, StoppedError, StoreError, SyncdError
from syncd.settings import Config

_TIDY_SECONDS: Final = 86_400
_TICKS_A_PUSH: Final = 5
_MOST_THREADS: Final = 200  # a thread is started only when one is needed
_COMPOSERS: Final = 4  # composing is work for the processor, not waiting
_SOON: Final = timedelta(seconds=1)
_AFTER_OUTAGE: Final = timedelta(seconds=30)


class Lead:
    """Does the work until `end`. `adopt` changes the configuration while jobs are under way.

    Each connection has a lane for its reads and one for its writes, so that none waits for another.
    """

    def __init__(
        self, space: Workspace, holder: str, stop: threading.Event, *, outage: Outage, tick_seconds: float = 1.0
    ) -> None:
        self._spaces = Spaces(space)
        self._now = space.now
        self.stop = stop
        self._outage = outage
        self._holder = Holder(holder, config_version(space.config))
        self._composer = Composer(self._spaces, self._holder, stop)
        self._lock = threading.Lock()
        self._reads: Agenda[str] = Agenda()
        self._tracks: dict[str, Track] = {}
        self._push_rests: dict[str, datetime] = {}
        self._lanes: set[tuple[str, str]] = set()
        self._ticks = 0
        self._is_new = True
        self._futures: set[Future[None]] = set()
        sizes = {"pull": _MOST_THREADS, "push": _MOST_THREADS, "compose": _COMPOSERS}
        self._pools = {kind: ThreadPoolExecutor(most, thread_name_prefix=kind) for kind, most in sizes.items()}
        self._scheduler = _scheduler()
        for name, work, seconds in (("tick", self._tick, tick_seconds), ("tidy", self._tidy, _TIDY_SECONDS)):
            self._scheduler.add_job(self._guarded, IntervalTrigger(seconds=seconds), args=(name, work), id=name)

    # -- life -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Look what a stopped process left behind or missed, and start to tick."""
        space = self._spaces.current
        self._composer.fill(self._composer.survey(space, self._holder))
        self._fill_reads(space)
        self._scheduler.start()
        self._submit("compose", "tidy", self._tidy)

    def adopt(self, space: Workspace) -> None:
        """Work with another configuration from now on; jobs under way end with the one they began with."""
        holder = Holder(self._holder.name, config_version(space.config))
        survey = self._composer.survey(space, holder)  # the last thing that can fail
        self._holder = self._composer.holder = holder
        self._spaces.replace(space)
        self._composer.fill(survey)
        self._fill_reads(space)

    def end(self, grace_seconds: float) -> bool:
        """Finish the pages and commands in hand; False when some are not finished within the grace period."""
        self.stop.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            futures = set(self._futures)
        left = concurrent.futures.wait(futures, timeout=grace_seconds).not_done
        self._spaces.replace(None)
        return not left

    def next_slot(self) -> datetime | None:
        """Return when the next digest is due."""
        return self._composer.next_at()

    def _fill_reads(self, space: Workspace) -> None:
        """Look at every connection now, whatever was waited for: a person may have mended it."""
        self._reads.clear()
        self._tracks.clear()
        self._push_rests.clear()
        for connection in space.config.service.connections:
            if cadences(space, connection):
                self._reads.put(connection, self._now())
        self._composer.has_queued.set()

    # -- ticks ------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = self._now()
        while (connection := self._reads.take(now)) is not None:
            if not self._start("pull", connection, self._read):
                self._reads.put(connection, now + _SOON)
        due = self._composer.next_at()
        if due is not None and due <= now:
            for number in range(_COMPOSERS):
                self._start("compose", str(number), self._compose)
        self._ticks += 1
        if self._composer.has_queued.is_set() or self._ticks % _TICKS_A_PUSH == 0:
            self._composer.has_queued.clear()
            for connection in jobs.connections_due(self._spaces.current, with_claimed=self._is_new):
                rest = self._push_rests.get(connection)
                if rest is None or rest <= now:
                    self._start("push", connection, self._push)
            self._is_new = False

    def _tidy(self) -> None:
        with self._spaces.using() as space:
            jobs.tidy(space)

    # -- lanes ------------------------------------------------------------------------------------------------

    def _start(self, kind: str, name: str, work: Callable[[str], None]) -> bool:
        """Start a job in its lane; False while the one before it is in there."""
        with self._lock:
            if (kind, name) in self._lanes:
                return False
            self._lanes.add((kind, name))
        self._submit(kind, f"{kind} {name}", self._in_lane, kind, name, work)
        return True

    def _in_lane(self, kind: str, name: str, work: Callable[[str], None]) -> None:
        try:
            work(name)
        finally:
            with self._lock:
                self._lanes.discard((kind, name))

    def _read(self, connection: str) -> None:
        look_at: datetime | None = self._now() + _AFTER_OUTAGE
        try:
            with self._spaces.using() as space:
                look_at = self._read_in(space, connection)
        finally:
            if look_at is not None and not self.stop.is_set():
                self._reads.put(connection, look_at)

    def _read_in(self, space: Workspace, connection: str) -> datetime | None:
        """Read what is due and return when to look again; None for a connection that is no longer there."""
        if connection not in space.config.service.connections:
            return None
        track = self._tracks.setdefault(connection, Track())
        spans = cadences(space, connection)
        result = jobs.pull_due(space, connection, spans, self._holder, track)
        if result is not None and any(progress.error is None for progress in result.streams):
            self._composer.wake(connection)  # not in an outage: nothing has changed for what is held
        return track.next_look(connection, spans, self._now())

    def _compose(self, _: str) -> None:
        self._composer.work_off()

    def _push(self, connection: str) -> None:
        rest: datetime | None = self._now() + _AFTER_OUTAGE
        try:
            with self._spaces.using() as space:
                rest = jobs.push_due(space, connection)
        finally:
            if rest is None:
                self._push_rests.pop(connection, None)
            else:
                self._push_rests[connection] = rest

    def _submit(self, pool: str, name: str, work: Callable[..., None], *args: Any) -> None:
        try:
            future = self._pools[pool].submit(self._guarded, name, work, *args)
        except RuntimeError:  # the pool is shut down: this term is over
            return
        with self._lock:
            self._futures.add(future)
        future.add_done_callback(self._forget)

    def _forget(self, future: Future[None]) -> None:
        with self._lock:
            self._futures.discard(future)

    def _guarded(self, name: str, work: Callable[..., None], *args: Any) -> None:
        """Run a job; its error is logged once and never ends the service."""
        if self.stop.is_set():
            return
        try:
            work(*args)
        except StoppedError:
            log.get().debug("job stopped", job=name)
        except BusyError as err:
            log.get().warning("job postponed", job=name, reason=str(err))
        except StoreError as err:
            self._outage.began(err)
        except SyncdError as err:
            log.get().error("job failed", job=name, error=str(err))
        except Exception:  # noqa: BLE001  # the top of a job: logged once, with its trace
            log.get().exception("job crashed", job=name)


def config_version(config: Config) -> str:
    """Return a short fingerprint of the configuration, kept with each firing."""
    return hashlib.sha256(config.model_dump_json(exclude={"folder", "mappings"}).encode()).hexdigest()[:12]


def _scheduler() -> BackgroundScheduler:
    return BackgroundScheduler(
        executors={"default": TickExecutor(2, pool_kwargs={"thread_name_prefix": "tick"})},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone="UTC",
    )
