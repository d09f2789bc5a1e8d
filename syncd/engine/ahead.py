"""Reading ahead: the next page is fetched while the one in hand is stored."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Final, TypeVar

Item = TypeVar("Item")
_POLL_SECONDS: Final = 0.1


class _End:
    """Marks the end of the items, with the error that ended them if there was one."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterator[Item], *, depth: int = 1) -> Iterator[Item]:
    """Yield `items` in order, produced by a thread that runs at most `depth` items ahead.

    The producer's error is raised in its place. When the consumer stops early, the producer ends after the item in
    hand.
    """
    ready: queue.Queue[Item | _End] = queue.Queue(maxsize=depth)
    closed = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, ready, closed), name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        closed.set()
        thread.join()


def _produce(items: Iterator[Item], ready: queue.Queue[Item | _End], closed: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for item in items:
            if not _put(item, ready, closed):
                return
    except BaseException as err:  # noqa: BLE001  # handed to the consumer, whatever it is
        error = err
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
    _put(_End(error), ready, closed)


def _put(item: Item | _End, ready: queue.Queue[Item | _End], closed: threading.Event) -> bool:
    while not closed.is_set():
        try:
            ready.put(item, timeout=_POLL_SECONDS)
        except queue.Full:
            continue
        return True
    return False
