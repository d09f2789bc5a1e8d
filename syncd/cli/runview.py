"""How a run looks in a terminal: a line per stream while it is read, then digests, receipts and the balance."""

from __future__ import annotations

import shlex
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

from rich.cells import set_cell_size
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from syncd.cli import output
from syncd.engine.compose import Drafted, Verdict
from syncd.engine.pull import StreamProgress
from syncd.engine.push import Pushed
from syncd.engine.run import Listener, Report
from syncd.engine.workspace import Workspace
from syncd.sdk.connector import Delivery
from syncd.store import parked
from syncd.store.outbox import State
from syncd.store.records import Place

_MOST_SHOWN: Final = 10


class RunView:
    """Shows a run. Without a terminal it prints finished lines only; `quiet` prints nothing."""

    def __init__(self, space: Workspace, *, quiet: bool = False) -> None:
        self._space = space
        self._console = output.console()
        self._quiet = quiet
        self._lock = threading.Lock()
        self._bars: dict[Place, TaskID] = {}
        self._began: dict[Place, float] = {}
        live = self._console.is_terminal and not quiet
        self._progress = Progress(
            TextColumn(" pull      "),
            TextColumn("{task.fields[connection]:<18}"),
            TextColumn("{task.fields[stream]:<14}"),
            BarColumn(bar_width=18, complete_style="cyan", finished_style="cyan"),
            TextColumn("{task.fields[count]:>14}"),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not live,
            transient=True,
        )

    @property
    def listener(self) -> Listener:
        """Return the callbacks for the engine."""
        if self._quiet:
            return Listener()
        return Listener(read=self._read, drafted=self._drafted, pushed=self._pushed)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    # -- while it runs ----------------------------------------------------------------------------------------

    def _read(self, progress: StreamProgress) -> None:
        with self._lock:
            place = progress.place
            began = self._began.setdefault(place, time.monotonic())
            if not progress.done:
                self._show_bar(progress)
                return
            if place in self._bars:
                self._progress.remove_task(self._bars.pop(place))
            self._console.print(self._read_line(progress, time.monotonic() - began))

    def _show_bar(self, progress: StreamProgress) -> None:
        place, read = progress.place, progress.balance.read
        fields: dict[str, Any] = {
            "connection": place.connection,
            "stream": place.stream,
            "count": _count(progress),
            "note": "",
        }
        if place not in self._bars:
            self._bars[place] = self._progress.add_task("", total=progress.total, **fields)
        self._progress.update(self._bars[place], completed=read, total=progress.total, **fields)

    def _read_line(self, progress: StreamProgress, seconds: float) -> Text:
        text = Text(" pull       ", style="dim")
        text.append(f"{progress.place.connection:<18} ", style="default").append(f"{progress.place.stream:<14} ")
        text.append(
            "━" * 12 if progress.error is None else "━━━━━━╸     ", style="cyan" if progress.error is None else "red"
        )
        text.append(f" {_count(progress):>13}  {seconds:4.1f} s", style="default")
        for label, number in (
            ("changed", progress.balance.written),
            ("gone", progress.vanished),
            ("mapped anew", progress.replayed),
        ):
            if number:
                text.append(f"  {number:,} {label}", style="dim")
        if progress.balance.parked:
            text.append(f"  {progress.balance.parked:,} parked", style="yellow")
        if progress.quarantined:
            text.append(f"  {progress.quarantined:,} gone at once: held back", style="yellow")
        if progress.error:
            text.append(f"\n            {progress.error}", style="red")
        return text

    def _drafted(self, drafted: Drafted) -> None:
        record = drafted.record
        self._console.print(_reconciled_line(drafted))
        if drafted.verdict is Verdict.NOTHING_NEW:
            line = Text(" compose    ", style="dim")
            line.append(f"{_cells(record.account)} ").append(f"nothing new since record {record.number}", style="green")
            self._console.print(line)
            return
        for row, digest in zip(drafted.turn.rows, drafted.digests, strict=False):
            text = Text(" compose    ", style="dim")
            text.append(f"{_cells(row.audience)} ").append(f"{row.channel}, {digest.locale}", style="default")
            if row.approver:
                text.append(f"  waits for {row.approver}", style="yellow")
            self._console.print(text)
        for problem in drafted.problems:
            self._console.print(Text(f"            {drafted.verdict.value}: {problem}", style="yellow"))

    def _pushed(self, pushed: Pushed) -> None:
        row = pushed.row
        text = Text(" push       ", style="dim")
        text.append(f"{_cells(row.connection)} ").append(f"{row.operation:<14} ")
        if pushed.receipt:
            text.append("✔ ", style="green").append(f"{row.recipient or row.target_id}  ")
            text.append(f"{_short(pushed.receipt.remote_id)} ({row.delivery.value})", style="dim")
        else:
            style = "red" if pushed.state in (State.UNKNOWN, State.PARKED) else "yellow"
            text.append(f"✘ {row.recipient or row.target_id}  {pushed.state.value}: {pushed.error}", style=style)
            if pushed.state is State.UNKNOWN and row.delivery is Delivery.BLIND:
                text.append(f"\n            look whether it arrived, then: syncd parked retry c{row.id}", style=style)
        self._console.print(text)

    # -- at the end -------------------------------------------------------------------------------------------

    def summary(self, report: Report, *, dry_run: bool) -> None:
        """Print the balance, what is parked and what waits for a person."""
        self._console.print()
        even = output.good("✔") if report.balance.is_even else output.bad("✘ does not balance")
        self._console.print(Text(" balance    ", style="dim") + Text(f"{report.balance}   ") + even)
        if report.balance.parked:
            self._parked()
        for result in report.pulls:
            if result.error and not result.streams:
                self._console.print(Text(f" {result.connection}: {result.error}", style="red"))
        if dry_run:
            messages = output.count(sum(len(drafted.intents) for drafted in report.drafts), "message")
            self._console.print(Text(f" dry run: {messages} would be queued; nothing was queued or sent", style="dim"))
        waiting = [drafted for drafted in report.drafts if drafted.verdict is Verdict.WAITS and drafted.queued]
        for drafted in waiting:
            command = f"syncd approve {drafted.turn.account.id} {drafted.record.number}"
            if len(drafted.turn.account.projects) > 1:
                command += f" --project {shlex.quote(drafted.turn.project.name)}"
            self._console.print(Text(f" 1 digest to approve: {command}", style="yellow"))

    def _parked(self) -> None:
        with self._space.store.read() as connection:
            rows = parked.open_rows(connection, limit=_MOST_SHOWN + 1)
        for row in rows[:_MOST_SHOWN]:
            self._console.print(Text(f" parked {row.id:<4} ", style="yellow") + Text(row.reason))
            self._console.print(Text(f"             mend the mapping, then: syncd parked retry {row.id}", style="dim"))
        if len(rows) > _MOST_SHOWN:
            self._console.print(Text("             and more: syncd parked list", style="dim"))


def _reconciled_line(drafted: Drafted) -> Text:
    record = drafted.record
    progress = record.progress
    as_of = [source.data_as_of for source in record.sources if source.data_as_of]
    text = Text(" reconcile  ", style="dim")
    text.append(f"{_cells(record.project_name)} ").append(f"record {record.number:<7} ")
    text.append(f"{progress.done_count:,}/{progress.total_count:,} done")
    if record.holds:
        text.append(" · data not fresh", style="yellow")
    elif as_of:
        text.append(f" · {'complete' if record.is_complete else 'incomplete'} to {min(as_of):%H:%M} UTC")
    return text


def _count(progress: StreamProgress) -> str:
    read = progress.balance.read
    return f"{read:,}/{progress.total:,}" if progress.total else f"{read:,}"


def _cells(text: str, width: int = 18) -> str:
    """Return `text` filled or cut to `width` terminal cells: a Chinese character takes two."""
    return set_cell_size(text, width)


def _short(remote_id: str) -> str:
    return remote_id if len(remote_id) <= 28 else f"{remote_id[:12]}…{remote_id[-12:]}"
