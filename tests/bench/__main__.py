"""The figures that syncd promises, measured side by side with a bare loop.

    python -m tests.bench                        100,000 records, three rounds
    python -m tests.bench --records 10000 --rounds 1
    python -m tests.bench --check                exit 1 when a bound is broken

Seconds drift with the machine and with what else it does; ratios of runs in turn (A B C A B C) do less so. Medians.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
FEW = 10_000
DIGESTS = 1000
IN_FLIGHT = 8
Figures = dict[str, Any]


@dataclass
class Rounds:
    """What the processes told of themselves, round by round."""

    loop: list[Figures] = field(default_factory=list)
    loop_in_flight: list[Figures] = field(default_factory=list)
    cold: list[Figures] = field(default_factory=list)
    quiet: list[Figures] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """One line of the result: what, how much of which unit, and the bound it must keep, if any."""

    name: str
    value: float
    unit: str = ""
    bound: float | None = None

    @property
    def is_kept(self) -> bool:
        return self.bound is None or self.value <= self.bound

    def __str__(self) -> str:
        verdict = "" if self.bound is None else f"   bound {self.bound:g}{'' if self.is_kept else '   BROKEN'}"
        return f"{self.name:<58}{self.value:>9.2f} {self.unit:<5}{verdict}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", help="address of another server with the same lists; its counters are not read")
    parser.add_argument("--check", action="store_true", help="exit 1 when a bound is broken")
    options = parser.parse_args()
    with server(min(FEW, options.records)) as base:
        few = pulled(base)[0]
    with server(options.records) if not options.server else given(options.server) as base:
        rounds = measured(base, options.rounds)
    digests = told("digests", "--count", str(DIGESTS))[0]
    lines = [*speed(rounds), *memory(few, rounds), *quiet(rounds), digest_line(digests)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if options.check and not all(line.is_kept for line in lines) else 0


def measured(base: str, count: int) -> Rounds:
    """Run each side in turn, each in a process and a folder of its own."""
    rounds = Rounds()
    for number in range(count):
        rounds.loop.append(looped(base, in_flight=1))
        cold, *later = pulled(base)
        rounds.cold.append(cold)
        rounds.quiet.append(later[-1])
        rounds.loop_in_flight.append(looped(base, in_flight=IN_FLIGHT))
        sides = (rounds.loop[-1], cold, rounds.loop_in_flight[-1])
        figures = ", ".join(map(seconds, sides))
        sys.stderr.write(f"round {number + 1}: loop, syncd, loop with {IN_FLIGHT} in flight: {figures}\n")
    return rounds


def speed(rounds: Rounds) -> Iterator[Line]:
    records = min(of(rounds.cold, "written"))
    for name in ("wall", "cpu"):
        yield Line(f"cold pull, {records:,} records, {name}", median(of(rounds.cold, name)), "s")
        yield Line(f"bare loop, {name}", median(of(rounds.loop, name)), "s")
    yield Line("cold pull / bare loop, wall", ratio(rounds.cold, rounds.loop, "wall"), "x", bound=2.0)
    yield Line("cold pull / bare loop, CPU", ratio(rounds.cold, rounds.loop, "cpu"), "x")
    name = f"cold pull / bare loop with {IN_FLIGHT} pages in flight"
    yield Line(f"{name}, wall", ratio(rounds.cold, rounds.loop_in_flight, "wall"), "x")
    yield Line(f"{name}, CPU", ratio(rounds.cold, rounds.loop_in_flight, "cpu"), "x")


def memory(few: Figures, rounds: Rounds) -> Iterator[Line]:
    for figures in (few, rounds.cold[0]):
        yield Line(f"memory over start, {figures['records']:,} records", figures["peak_mb"], "MB", bound=150.0)


def quiet(rounds: Rounds) -> Iterator[Line]:
    """A read of everything that finds nothing new."""
    yield Line("nothing new: CPU of the whole run", median(of(rounds.quiet, "cpu")) * 1000, "ms", bound=50.0)
    for name, count in rounds.quiet[-1]["asked"].items():
        yield Line(f"nothing new: requests for {name}", count, "", bound=2.0 if name == "issues" else 1.0)


def digest_line(figures: Figures) -> Line:
    return Line(f"{figures['digests']:,} digests composed and rendered", figures["wall"], "s", bound=60.0)


def of(figures: Sequence[Figures], name: str) -> list[float]:
    return [one[name] for one in figures]


def ratio(ours: Sequence[Figures], theirs: Sequence[Figures], name: str) -> float:
    """Return the median of the ratios, each within its round."""
    return median(a / b for a, b in zip(of(ours, name), of(theirs, name), strict=True))


def seconds(figures: Figures) -> str:
    return f"{figures['wall']:.2f} s ({figures['cpu']:.2f} s CPU)"


def pulled(base: str) -> list[Figures]:
    """Run syncd: the cold pull, the one that learns the ETags, and a quiet one."""
    with tempfile.TemporaryDirectory() as folder:
        return told("pull", base, folder, "--runs", "3")


def looped(base: str, *, in_flight: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        return told("loop", base, f"{folder}/loop.db", "--in-flight", str(in_flight))[0]


def told(module: str, *arguments: str) -> list[Figures]:
    """Run a module of the bench in a process of its own; return the lines of JSON among those it prints."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@contextmanager
def given(base: str) -> Iterator[str]:
    yield base


@contextmanager
def server(records: int) -> Iterator[str]:
    """Run the server in a process; closing its input ends it."""
    command = [sys.executable, "-m", "tests.bench.server", "--records", str(records)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
