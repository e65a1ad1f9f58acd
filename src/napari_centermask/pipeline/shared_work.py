"""Work that several engines share: each takes the next piece as soon as it is done with one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from typing import TypeVar

Worker = TypeVar("Worker")
Item = TypeVar("Item")
Value = TypeVar("Value")


def shared(
    items: Sequence[Item], workers: Sequence[Worker], work: Callable[[Worker, Item], Value]
) -> Generator[tuple[int, Future[Value]], None, None]:
    """Do `work` for every item, each worker in a thread of its own; runtimes release Python's lock while they compute.

    Closing the generator drops what has not begun, and waits for what has.

    Parameters
    ----------
    items
        A worker takes the first one that nobody has.
    work
        Called with a worker, which no other thread uses meanwhile, and an item.

    Yields
    ------
    tuple of (int, Future)
        The position of an item and its value or error, in the order in which they are done.
    """
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def do(item: Item) -> Value:
        worker = free.get()
        try:
            return work(worker, item)
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(len(workers), thread_name_prefix="centermask")
    try:
        futures = {pool.submit(do, item): n for n, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
