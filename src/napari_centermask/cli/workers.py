"""`segment` on several processes: images go to Dask workers, here or on a cluster; each loads the model once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING

from napari_centermask import __version__
from napari_centermask.cli.output import notice
from napari_centermask.cli.worker import Outcome, Task, work
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings, MissingExtra, UserError
from napari_centermask.core.extras import how_to_install

if TYPE_CHECKING:
    from distributed import Client, Future

RETRIES = 2
"""How often an image is tried again after an error that is no fault of the image: a choice."""
_WAIT_S = 30.0  # for a scheduler and for its first worker: a choice
_PATIENCE_S = 60.0  # without any worker until a message says so: a choice
_LOOKS = 5  # of that length, after which those of this computer are given up: a choice


@dataclass(frozen=True)
class Workers:
    """Where images are segmented.

    Attributes
    ----------
    n
        Processes on this computer; 0 for those of `scheduler`.
    scheduler
        Address of a Dask scheduler, as tcp://10.0.0.1:8786.
    """

    n: int = 0
    scheduler: str = ""


def outcomes(tasks: Sequence[Task], workers: Workers, folder: Path) -> Generator[tuple[int, Outcome], None, None]:
    """Segment images on workers.

    Parameters
    ----------
    folder
        Where results go; all workers must see it.

    Yields
    ------
    tuple of (int, Outcome)
        The number of a task, and its outcome, as they are done.

    Raises
    ------
    BadSettings
        If the scheduler does not answer, has no worker, or its workers lack this version or the folder.
    UserError
        If the scheduler goes away.
    MissingExtra
        Without Dask.
    """
    with _client(workers) as client:
        if workers.scheduler:
            _check_workers(client, workers.scheduler, folder)
        yield from _Sent(client, tasks, workers).outcomes()


class _Sent:
    """The images that a client has sent to workers."""

    def __init__(self, client: Client, tasks: Sequence[Task], workers: Workers) -> None:
        self._client, self._tasks, self._workers = client, tasks, workers
        self._done: Queue[tuple[int, Future[Outcome]]] = Queue()
        self._futures: dict[int, Future[Outcome]] = {}
        self._losses: Counter[int] = Counter()

    def outcomes(self) -> Generator[tuple[int, Outcome], None, None]:
        """See `outcomes`. With a killed worker of a cluster, images that waited in it are blamed, too: each is tried alone."""
        try:
            for number in range(len(self._tasks)):
                self._send(number)
            blamed = []
            while self._futures:
                number, outcome = self._next()
                if outcome.was_killed and self._workers.scheduler:
                    blamed.append(number)
                else:
                    yield number, outcome
            for number in blamed:
                self._send(number)
                yield self._next()
        finally:
            self._client.cancel(list(self._futures.values()))

    def _send(self, number: int) -> None:
        future = self._client.submit(work, self._tasks[number], pure=False, retries=RETRIES)
        self._futures[number] = future
        future.add_done_callback(partial(_put, self._done, number))

    def _next(self) -> tuple[int, Outcome]:
        """The next outcome. One that was lost with its worker before it got here is worked on again."""
        while True:
            number, future = self._wait()
            outcome = _outcome(future, self._tasks[number])
            if outcome is None:
                self._losses[number] += 1
                if self._client.status != "running" or self._losses[number] > RETRIES:
                    raise UserError(_gone(self._workers))
                self._send(number)
                continue
            del self._futures[number]  # its memory on the cluster is released
            return number, outcome

    def _wait(self) -> tuple[int, Future[Outcome]]:
        """The next future that is done; says so if there is no worker meanwhile."""
        looks = 0
        while True:
            with suppress(Empty):
                return self._done.get(timeout=_PATIENCE_S)
            if self._client.status != "running":
                raise UserError(_gone(self._workers))
            looks = 0 if self._client.scheduler_info()["workers"] else looks + 1
            if looks >= _LOOKS and not self._workers.scheduler:
                raise UserError(
                    "The worker processes ended and could not be started again, perhaps for want of memory. What is done is "
                    "kept: give the same command again with fewer --workers or a smaller --tile."
                )
            if looks and self._workers.scheduler:
                notice(
                    f"No worker is there for the {counted(len(self._futures), 'image')} that are left. Start one: dask worker "
                    f"{self._workers.scheduler}"
                )


def _put(done: Queue[tuple[int, Future[Outcome]]], number: int, future: Future[Outcome]) -> None:
    done.put((number, future))


def _outcome(future: Future[Outcome], task: Task) -> Outcome | None:
    """The outcome, or why there is none; None if it was lost."""
    from distributed import CancelledError, KilledWorker
    from distributed.comm.core import CommClosedError

    try:
        if future.status in ("cancelled", "lost"):
            return None
        if future.status == "error":
            error = future.exception()
            return Outcome(None, [], _why(error, task), "", 0, was_killed=isinstance(error, KilledWorker))
        outcome: Outcome = future.result()
    except (CancelledError, CommClosedError, TimeoutError):
        return None
    return outcome


def _gone(workers: Workers) -> str:
    where = f"The scheduler at {workers.scheduler}" if workers.scheduler else "The scheduler of the workers"
    return f"{where} does not answer any more. What is done is kept: start it, and give the same command again."


def _why(error: BaseException, task: Task) -> str:
    from distributed import KilledWorker

    name = task.files.image
    if isinstance(error, KilledWorker):
        return (
            f"{name}: the workers that segmented it were killed, probably for want of memory. Use fewer --workers or a smaller "
            "--tile, then give the same command again."
        )
    return f"{name}: {type(error).__name__}: {error}. It was tried {RETRIES + 1} times."


@contextmanager
def _client(workers: Workers) -> Iterator[Client]:
    """A client of a scheduler, or of processes on this computer that end with it."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MissingExtra(f"--workers and --scheduler need Dask ({error}): {how_to_install('cluster')}") from None
    if not workers.scheduler:
        # An image waits here and not in a worker, where it would be blamed if another one kills that. A killed worker that is not
        # back after 15 s would be given up, and with the last of them the run would wait for ever: slow computers take longer.
        own = {
            "distributed.scheduler.allowed-failures": RETRIES,
            "distributed.scheduler.worker-saturation": 1.0,
            "distributed.deploy.lost-worker-timeout": "1 day",
        }
        with (
            dask.config.set(own),
            LocalCluster(
                n_workers=workers.n,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # without one, all runs of a computer want port 8787
                silence_logs="CRITICAL",
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    try:
        client = Client(workers.scheduler, timeout=_WAIT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise BadSettings(
            f"No Dask scheduler answers at {workers.scheduler}: {error}. Start one with 'dask scheduler', or check the address."
        ) from None
    with client:
        yield client


def _check_workers(client: Client, scheduler: str, folder: Path) -> None:
    """Refuse a cluster without workers, with another version of this package, or that does not see the folder."""
    try:
        client.wait_for_workers(1, timeout=_WAIT_S)
    except TimeoutError:
        raise BadSettings(
            f"The scheduler at {scheduler} has no workers. Start some: dask worker {scheduler} --nthreads 1"
        ) from None
    try:
        seen: dict[str, tuple[str, bool]] = client.run(_seen, str(folder))
    except ImportError as error:
        raise BadSettings(
            f"A worker cannot import this package ({error}). Install version {__version__} there."
        ) from None
    for worker, (version, is_there) in seen.items():
        if version != __version__:
            raise BadSettings(
                f"The worker {worker} has version {version}, and here is {__version__}. Install the same."
            )
        if not is_there:
            raise BadSettings(
                f"The worker {worker} does not see {folder}. Images and results must be in folders that all workers share."
            )


def _seen(folder: str) -> tuple[str, bool]:
    return __version__, Path(folder).is_dir()


def threads_for(workers: Workers) -> int | None:
    """Threads for each process on this computer, so that all share its cores; None for those of a cluster, which choose."""
    from napari_centermask.engines.machine import n_cores

    return max(1, n_cores() // workers.n) if workers.n else None
