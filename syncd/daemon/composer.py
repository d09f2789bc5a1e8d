"""The slots of the communication plans: what was missed, what is due, what is held and tried again."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from syncd import log
from syncd.daemon import jobs
from syncd.daemon.agenda import Agenda
from syncd.daemon.jobs import Holder
from syncd.daemon.rhythms import Rhythms
from syncd.daemon.spaces import Spaces
from syncd.engine.workspace import Workspace
from syncd.errors import StoppedError, StoreError
from syncd.rhythm import When
from syncd.settings import AccountSettings
from syncd.store import firings

_SOON: Final = timedelta(seconds=1)
_AFTER_OUTAGE: Final = timedelta(seconds=30)
_AFTER_FAULT: Final = timedelta(minutes=2)
_HELD: Final = timedelta(minutes=15)  # at the latest; a read that ends wakes what waits for it at once
_AHEAD: Final = timedelta(minutes=5)  # clocks of two machines may differ by so much without a word
_LAST_CALL: Final = timedelta(minutes=1)  # before the next slot: what is held until then is given up


class Slot(NamedTuple):
    """One due time of an account's rhythm."""

    account: str
    rhythm: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is to do: slots with the time to look at them, those that were begun, how many are passed over."""

    slots: Mapping[Slot, datetime]
    begun: tuple[Slot, ...]
    passed: int


class Composer:
    """Does the slots of the plan that are due. Thread-safe: `work_off` may run on several threads."""

    def __init__(self, spaces: Spaces, holder: Holder, stop: threading.Event) -> None:
        self.holder = holder
        self.has_queued = threading.Event()  # something waits to be sent
        self._spaces = spaces
        self._now = spaces.current.now
        self._store = spaces.current.store
        self._stop = stop
        self._lock = threading.Lock()
        self._rhythms = Rhythms()
        self._slots: Agenda[Slot] = Agenda()
        self._has_told_ahead = False
        self._begun: dict[Slot, int] = {}  # slots that are ours and not settled → how often they were tried
        self._at_work: set[str] = set()  # accounts

    def next_at(self) -> datetime | None:
        """Return when the next slot is due."""
        return self._slots.next_at()

    def survey(self, space: Workspace, holder: Holder) -> Survey:
        """Return what is due when: of each rhythm the newest slot missed, what was begun, or else the next slot."""
        now = self._now()
        plan = {
            jobs.plan_schedule(account.id, when.text): (account, when)
            for account in space.config.accounts.values()
            for when in _rhythms_of(account)
        }
        newest, unended = self._known(plan, holder, now)
        begun = tuple(_slot(*plan[schedule], due) for schedule, due in unended if schedule in plan)
        slots, passed = {slot: max(slot.due, now) for slot in begun}, 0
        for schedule, (account, when) in plan.items():
            latest = newest.get(schedule, now)
            missed = self._rhythms.missed(account, when, latest, now)
            passed += missed.passed
            due = missed.newest or self._rhythms.next(account, when, now)
            if due is not None:
                slots[_slot(account, when, due)] = due
        return Survey(slots, begun, passed)

    def _known(
        self, plan: Mapping[str, object], holder: Holder, now: datetime
    ) -> tuple[dict[str, datetime], list[tuple[str, datetime]]]:
        """Return the newest slot up to now of each rhythm and what was begun; note new rhythms, end those removed.

        A slot that lies ahead was noted under a wrong clock: waiting for it would silence the rhythm until then.
        """
        with self._store.begin() as database:
            self._tell_ahead(firings.newest(database, "plan:"), now)
            newest = firings.newest(database, "plan:", until=now)
            new = sorted(plan.keys() - newest.keys())
            firings.register_all(database, new, at=now, config_version=holder.config_version, holder=holder.name)
            unended = firings.unended(database, "plan:")
            for schedule, due in unended:
                if schedule not in plan:
                    firings.end(database, schedule, due, at=now, error="no longer in the plan")
        return newest, unended

    def _tell_ahead(self, newest: Mapping[str, datetime], now: datetime) -> None:
        furthest = max(newest.values(), default=now)
        if furthest > now + _AHEAD and not self._has_told_ahead:
            log.get().warning("slot in the future ignored", due=furthest.isoformat(), why="noted under a wrong clock")
            self._has_told_ahead = True

    def fill(self, survey: Survey) -> None:
        """Put a survey in force."""
        if survey.passed:
            log.get().warning("slots missed", slots=survey.passed, why="no process led when they were due")
        self._slots.clear()
        for slot in survey.begun:
            self._begun.setdefault(slot, 0)
        for slot, at in survey.slots.items():
            self._slots.put(slot, at)

    def wake(self, connection: str) -> None:
        """Try at once what may have been held for this connection's data."""
        space = self._spaces.current
        for slot in list(self._begun):
            account = space.config.accounts.get(slot.account)
            if account is not None and connection in space.sources_of(account):
                self._slots.hasten(slot, self._now())

    def work_off(self) -> None:
        """Do the slots that are due, one account at a time, so that two never take the same record number.

        Returns at the first slot that fails, with its error: the caller tells it and calls again while any is due.
        """
        while not self._stop.is_set() and (slot := self._slots.take(self._now())) is not None:
            if not self._enter(slot.account):
                self._slots.put(slot, self._now() + _SOON)
                continue
            try:
                self._do(slot)
            finally:
                with self._lock:
                    self._at_work.discard(slot.account)

    def _enter(self, account: str) -> bool:
        with self._lock:
            if account in self._at_work:
                return False
            self._at_work.add(account)
            return True

    def _do(self, slot: Slot) -> None:
        with self._spaces.using() as space:
            account = space.config.accounts.get(slot.account)
            rhythms = _rhythms_of(account) if account is not None else iter(())
            when = next((when for when in rhythms if when.text == slot.rhythm), None)
            if account is None or when is None:
                self._begun.pop(slot, None)
                return
            current = slot if slot in self._begun else self._newest(account, when, slot)
            if current is None:
                return
            try:
                if self._claim(current):
                    self._settle(space, account, when, current)
            except StoreError:
                self._slots.put(current, self._now() + _AFTER_OUTAGE)
                raise

    def _newest(self, account: AccountSettings, when: When, slot: Slot) -> Slot | None:
        """Enter the slot after this one; return the one to do now. A machine that slept has passed some over."""
        now = self._now()
        missed = self._rhythms.missed(account, when, slot.due - timedelta(microseconds=1), now)
        following = self._rhythms.next(account, when, missed.newest or now)
        if following is not None:
            self._slots.put(_slot(account, when, following), following)
        if missed.passed:
            log.get(account=account.id).warning("slots missed", slots=missed.passed, why="the process stood still")
        return _slot(account, when, missed.newest) if missed.newest else None

    def _claim(self, slot: Slot) -> bool:
        with self._store.begin() as database:
            schedule = jobs.plan_schedule(slot.account, slot.rhythm)
            is_ours = jobs.claim(database, schedule, slot.due, self.holder, at=self._now())
        if not is_ours:
            self._begun.pop(slot, None)
        return is_ours

    def _settle(self, space: Workspace, account: AccountSettings, when: When, slot: Slot) -> None:
        """Compose a slot; what is held or fails is tried again until shortly before the next one comes."""
        tries = self._begun.get(slot, 0)
        self._begun[slot] = tries + 1
        following = self._rhythms.next(account, when, slot.due)
        last_call = following - _LAST_CALL if following is not None else None
        is_last_try = last_call is not None and self._now() >= last_call
        pause, settled = _AFTER_FAULT, False
        try:
            settled = jobs.compose_slot(
                space, account, slot.rhythm, slot.due, is_first_try=tries == 0, is_last_try=is_last_try
            )
            pause = _HELD
        except (StoppedError, StoreError):
            raise
        except Exception as err:
            settled = is_last_try
            if settled:
                jobs.end_slot(space, slot.account, slot.rhythm, slot.due, error=str(err) or type(err).__name__)
            raise
        finally:
            if settled:
                self._begun.pop(slot, None)
                self.has_queued.set()
            else:
                again = self._now() + pause
                self._slots.put(slot, min(again, last_call) if last_call is not None else again)


def _rhythms_of(account: AccountSettings) -> Iterator[When]:
    yield from {row.when.text: row.when for row in account.plan if not row.when.with_digest}.values()


def _slot(account: AccountSettings, when: When, due: datetime) -> Slot:
    return Slot(account.id, when.text, due)
