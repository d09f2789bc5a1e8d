"""One run from end to end: pull the connections, link and compose the accounts, push what is due."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from syncd.engine import compose, identity
from syncd.engine.compose import Drafted, Verdict
from syncd.engine.pull import PullResult, StreamProgress, Wish, pull
from syncd.engine.push import Pushed, push
from syncd.engine.workspace import Workspace
from syncd.errors import BusyError, ConfigError, ConnectorError, StoppedError, StoreError, SyncdError
from syncd.settings import AccountSettings
from syncd.store import leases, runs
from syncd.store.outbox import State
from syncd.store.runs import Balance

Stage = Literal["pull", "compose", "push"]
STAGES: Final[tuple[Stage, ...]] = ("pull", "compose", "push")
_LEASE: Final = timedelta(minutes=2)
_ABANDONED: Final = timedelta(days=1)
_MOST_CONNECTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to do. `accounts` empty means all; `only` restricts it to one stage."""

    accounts: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    full: bool = False
    only: Stage | None = None
    dry_run: bool = False

    def includes(self, stage: Stage) -> bool:
        """Say whether a stage is part of the run."""
        return self.only in (None, stage)


@dataclass(slots=True)
class Report:
    """What a run came to. `config_error` is a wrong configuration that stopped one connection."""

    run: str
    pulls: list[PullResult] = field(default_factory=list)
    drafts: list[Drafted] = field(default_factory=list)
    pushed: list[Pushed] = field(default_factory=list)
    queued: int = 0
    state: str = "running"

    @property
    def balance(self) -> Balance:
        """The balance over all connections."""
        total = Balance()
        for result in self.pulls:
            total.add(result.balance)
        return total

    @property
    def errors(self) -> list[Exception]:
        """The errors of the reads."""
        return [error for result in self.pulls for error in result.errors]

    @property
    def config_errors(self) -> list[ConfigError]:
        """The errors that a change of the configuration would mend."""
        return [error for error in self.errors if isinstance(error, ConfigError)]

    @property
    def needs_attention(self) -> bool:
        """Whether something was parked, held, blocked, failed or is unknown."""
        is_stuck = any(draft.verdict in (Verdict.HELD, Verdict.BLOCKED) for draft in self.drafts)
        is_unsent = any(pushed.state is not State.SENT for pushed in self.pushed)
        quarantined = any(progress.quarantined for result in self.pulls for progress in result.streams)
        return bool(self.errors or self.balance.parked or is_stuck or is_unsent or quarantined)


@dataclass(frozen=True, slots=True)
class Listener:
    """Where a run tells how it goes; every callback may come from a worker thread."""

    read: Callable[[StreamProgress], None] = lambda progress: None
    drafted: Callable[[Drafted], None] = lambda drafted: None
    pushed: Callable[[Pushed], None] = lambda pushed: None


def execute(space: Workspace, order: Order, *, listener: Listener | None = None, command: str = "run") -> Report:
    """Do a run and keep its account in the database.

    BusyError when another run of one of the accounts is under way. StoppedError after the page or command in hand;
    the run is kept as interrupted and the next one goes on where it ended.
    """
    listen = listener or Listener()
    accounts = space.accounts(order.accounts)
    _check_times(order)
    with alone(space, accounts):
        report = Report(_start(space, order, command))
        state, error = "failed", None
        try:
            _stages(space, order, accounts, report, listen)
            _check_balance(report)
            state = "attention" if report.needs_attention else "ok"
        except StoppedError as err:
            state, error = "interrupted", str(err)
            raise
        except SyncdError as err:
            error = str(err)
            raise
        finally:
            report.state = state
            _end(space, report, error)
    return report


def _end(space: Workspace, report: Report, error: str | None) -> None:
    try:
        with space.store.begin() as connection:
            runs.end(connection, report.run, report.state, at=space.now(), error=error)
    except StoreError:
        if report.state != "failed":
            raise
        # What ended the run tells more than that the database takes no last word on it.


def _check_times(order: Order) -> None:
    if order.since and order.until and order.since >= order.until:
        raise ConfigError(
            f"--since {order.since:%Y-%m-%d %H:%M} is not before --until {order.until:%Y-%m-%d %H:%M}; swap them"
        )


def _start(space: Workspace, order: Order, command: str) -> str:
    scope = {
        "accounts": list(order.accounts),
        "since": order.since.isoformat() if order.since else None,
        "until": order.until.isoformat() if order.until else None,
        "full": order.full,
        "only": order.only,
        "dry_run": order.dry_run,
    }
    said = {name: value for name, value in scope.items() if value}
    at = space.now()
    with space.store.begin() as connection:
        runs.close_abandoned(connection, before=at - _ABANDONED, at=at)
        return runs.start(connection, command, said, at=at)


@contextmanager
def alone(space: Workspace, accounts: Sequence[AccountSettings]) -> Iterator[None]:
    """Hold the run lease of every account, so that no account is run twice at the same time."""
    held: list[Callable[[], None]] = []
    with ExitStack() as stack:
        for account in sorted(accounts, key=lambda account: account.id):
            try:
                held.append(
                    stack.enter_context(leases.held(space.store, f"run:{account.id}", now=space.now, term=_LEASE))
                )
            except BusyError as err:
                raise BusyError(
                    f"another run of {account.id!r} is under way ({err}); wait for it to end. "
                    f"Should its process be dead on another machine, the way is free after {_LEASE.seconds} s"
                ) from err
        stack.enter_context(leases.beating(held, _LEASE))
        yield


def _stages(
    space: Workspace, order: Order, accounts: Sequence[AccountSettings], report: Report, listen: Listener
) -> None:
    if order.includes("pull"):
        report.pulls = pull_all(space, report.run, accounts, Wish(order.full, order.since), tell=listen.read)
    if order.includes("compose"):
        for account in accounts:
            space.check_stop()
            identity.link(space, account)
            report.drafts += compose_account(space, account, order, listen)
        report.queued = sum(drafted.queued for drafted in report.drafts)
    if order.includes("push") and not order.dry_run:
        for account in accounts:
            report.pushed += push(space, account=account.id, tell=listen.pushed)


def pull_all(
    space: Workspace,
    run: str,
    accounts: Sequence[AccountSettings],
    wish: Wish,
    *,
    tell: Callable[[StreamProgress], None] = lambda progress: None,
) -> list[PullResult]:
    """Pull every connection that the accounts name, several at once; each is read once, whoever names it."""
    names = list(dict.fromkeys(name for account in accounts for name in space.sources_of(account)))
    names = [name for name in names if space.spec(name).streams]
    if not names:
        return []
    with ThreadPoolExecutor(max_workers=min(len(names), _MOST_CONNECTIONS), thread_name_prefix="pull") as pool:
        futures = {name: pool.submit(_pull_safely, space, run, name, wish, tell) for name in names}
        return [futures[name].result() for name in names]


def _pull_safely(
    space: Workspace, run: str, name: str, wish: Wish, tell: Callable[[StreamProgress], None]
) -> PullResult:
    """Pull one connection; what is wrong with it is its own affair and does not stop the others."""
    try:
        return pull(space, run, name, wish, tell=tell)
    except (ConnectorError, ConfigError) as err:
        return PullResult(name, (), err)
    except BusyError as err:
        return PullResult(name, (), BusyError(f"{name} was not read: another process is reading it ({err})"))


def compose_account(space: Workspace, account: AccountSettings, order: Order, listen: Listener) -> list[Drafted]:
    """Draft every turn of an account as of `order.until` (or now) and, unless it is a dry run, queue it."""
    found: list[Drafted] = []
    for turn in compose.turns(account):
        drafted = compose.draft(space, turn, now=order.until or space.now(), since=order.since)
        if not order.dry_run:
            drafted = replace(drafted, queued=compose.commit(space, drafted))
        listen.drafted(drafted)
        found.append(drafted)
    return found


def _check_balance(report: Report) -> None:
    """A run that does not balance is a fault of ours: say so loudly, never pass over it."""
    for result in report.pulls:
        for progress in result.streams:
            if not progress.balance.is_even:
                raise SyncdError(f"{result.connection} {progress.place.stream} does not balance: {progress.balance}")
