"""Plan and apply: what compose and push would do at one moment, and doing exactly that later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from syncd.engine import compose
from syncd.engine.compose import Drafted
from syncd.engine.push import Pushed, push
from syncd.engine.run import alone
from syncd.engine.workspace import Workspace
from syncd.errors import ConfigError
from syncd.store import outbox
from syncd.store.outbox import Row


@dataclass(frozen=True, slots=True)
class Plan:
    """All writes of some accounts: drafts to be queued, and commands that are due since before."""

    at: datetime
    accounts: tuple[str, ...]
    drafts: tuple[Drafted, ...]
    waiting: tuple[Row, ...]

    @property
    def hash(self) -> str:
        """The same for the same effects."""
        return compose.plan_hash(self.drafts, [(row.idempotency_key, row.payload_hash) for row in self.waiting])

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the commands that may be sent; those that wait for an approval are not among them."""
        new = {i.idempotency_key for one in self.drafts for i in one.intents if i.idempotency_key not in one.held}
        return frozenset(new | {row.idempotency_key for row in self.waiting})


def make(space: Workspace, accounts: Sequence[str], *, at: datetime) -> Plan:
    """Work out what would be written if it were `at`, from the data at hand; writes nothing."""
    found = space.accounts(tuple(accounts))
    drafts = [compose.draft(space, turn, now=at) for account in found for turn in compose.turns(account)]
    with space.store.read() as connection:
        due = [number for account in found for number in outbox.due(connection, at=at, account=account.id)]
        rows = [row for number in due if (row := outbox.load(connection, number)) is not None]
    return Plan(at, tuple(account.id for account in found), tuple(drafts), tuple(rows))


def apply(
    space: Workspace,
    accounts: Sequence[str],
    *,
    at: datetime,
    expected: str,
    tell: Callable[[Pushed], None] = lambda pushed: None,
) -> tuple[Plan, list[Pushed]]:
    """Do exactly the plan of `at` whose hash is `expected`; ConfigError, and nothing done, if it has changed since."""
    if space.now() - at > space.config.service.fresh_for:
        raise ConfigError(f"the plan of {at:%Y-%m-%d %H:%M} UTC is too old to be sent; make a new one: syncd plan")
    with alone(space, space.accounts(tuple(accounts))):
        plan = make(space, accounts, at=at)
        if plan.hash != expected:
            raise ConfigError(
                f"something has changed since the plan of {at:%Y-%m-%d %H:%M} UTC was made; nothing was sent. "
                "Look at a new one: syncd plan"
            )
        for drafted in plan.drafts:
            compose.commit(space, drafted)
        return plan, push(space, only=plan.keys, tell=tell)
