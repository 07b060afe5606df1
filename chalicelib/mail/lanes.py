"""Divide a batch of stream records into lanes, and work on several lanes at once.

The records of one item are in one lane, in their order. Lambda divides the records of a shard among the mailers in the
same way.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Event
from typing import TypeVar

from chalicelib.storage.items import Image

Record = tuple[str, Image | None, Image | None]
"""A sequence number, the old and the new image of an item."""
Result = TypeVar("Result")


def walk(records: Sequence[Record], deliver: Callable[[Image | None, Image | None], bool], at_once: int) -> list[str]:
    """Deliver the records of several lanes at once, until one cannot be delivered now.

    Return the number of the first record of each lane that was not delivered.
    """
    stopped = Event()

    def first_undone(lane: Sequence[Record]) -> str | None:
        for number, old, new in lane:
            if stopped.is_set() or not deliver(old, new):
                stopped.set()
                return number
        return None

    lanes = split(records) if at_once > 1 else [records]
    return [number for number in run((partial(first_undone, lane) for lane in lanes), at_once) if number]


def split(records: Sequence[Record]) -> list[Sequence[Record]]:
    """Return the records of each item."""
    lanes: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        image = record[2] or record[1] or {}
        lanes.setdefault((image["pk"]["S"], image["sk"]["S"]), []).append(record)
    return list(lanes.values())


def run(tasks: Iterable[Callable[[], Result]], at_once: int) -> list[Result]:
    """Run tasks, so many at once, and return their results in order. After an exception, none is begun any more."""
    if at_once == 1:
        return [task() for task in tasks]
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(copy_context().run, task) for task in tasks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
