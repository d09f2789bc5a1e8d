"""Time and memory of this process's own work, told as one line of JSON."""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path

_STATUS = Path("/proc/self/status")


class Clock:
    """Wall seconds, CPU seconds and memory from here on: imports are over when it is made."""

    def __init__(self) -> None:
        self._figures: dict[str, float] = {}
        self._memory = _resident("VmRSS")
        self._cpu = time.process_time()
        self._wall = time.perf_counter()

    def stop(self) -> None:
        """Take the figures now, before work that is not to be measured."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        peak = _resident("VmHWM") - self._memory
        self._figures = {"wall": wall, "cpu": cpu, "peak_mb": peak / 1024}

    def tell(self, **facts: object) -> None:
        """Print what was measured and `facts`."""
        if not self._figures:
            self.stop()
        sys.stdout.write(json.dumps({**self._figures, **facts}) + "\n")


def _resident(name: str) -> int:
    """Return a figure of /proc/self/status in KiB; elsewhere the peak, which getrusage knows everywhere.

    Not getrusage on Linux: its peak includes that of the parent before the exec.
    """
    if _STATUS.exists() and (found := re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text())):
        return int(found[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak
