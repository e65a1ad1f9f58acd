"""`segment` on several processes: images go to Dask workers, here or on a cluster; each loads the model once."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from napari_centermask import __version__
from napari_centermask.cli.output import notice
from napari_centermask.cli.plan import ImageFiles
from napari_centermask.cli.segmented import Notes, Segmented, steps_of
from napari_centermask.core.errors import BadSettings, MissingExtra, UserError
from napari_centermask.core.extras import how_to_install
from napari_centermask.core.left_out import LeftOut
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    from distributed import Client, Future

    from napari_centermask.engines.ensemble import AnySegmenter

RETRIES = 2
"""How often an image is tried again after an error that is no fault of the image: a choice."""
_WAIT_S = 30.0  # for a scheduler and for its first worker: a choice
_PATIENCE_S = 60.0  # without any worker until a message says so: a choice


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


@dataclass(frozen=True)
class Task:
    """An image for a worker; see `segmented.steps_of`."""

    files: ImageFiles
    settings: SegmentSettings
    coco: Path | None
    axes: str | None
    command: Mapping[str, Any]
    threads: int | None


@dataclass(frozen=True)
class Outcome:
    """What a worker made of an image.

    Attributes
    ----------
    segmented
        None if it failed.
    notes
        What is to be known about the image.
    why
        Why it failed; empty if it did not.
    process
        The worker's process, as "4711 on lab-pc".
    loads
        How often that process has loaded models.
    engine, device, place
        Of the model, for the report.
    """

    segmented: Segmented | None
    notes: list[Notes]
    why: str
    process: str
    loads: int
    engine: str = ""
    device: str = ""
    place: str = ""


_KEPT: dict[str, AnySegmenter] = {}
"""In a worker: the models that it has loaded, by their settings."""
_LOADS: list[str] = []


def work(task: Task) -> Outcome:
    """Segment an image, in a worker. An image that cannot be segmented is an outcome; only other errors are tried again."""
    from napari_centermask.engines.ensemble import place_of

    process = f"{os.getpid()} on {_host()}"
    notes: list[Notes] = []
    left_out = LeftOut[str]()
    with left_out.unless_done(str(task.files.image)):
        engine = _engine(task, notes)
        steps = steps_of(task.files, engine, task.settings, task.coco, axes=task.axes, command=task.command)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                about = {"engine": engine.name, "device": engine.device, "place": place_of(engine)}
                return Outcome(end.value, notes, "", process, len(_LOADS), **about)
            if isinstance(step, Notes):
                notes.append(step)
    return Outcome(None, notes, left_out.sentences[0], process, len(_LOADS))


def _engine(task: Task, notes: list[Notes]) -> AnySegmenter:
    from napari_centermask.engines.load import load_engines

    names = ("model", "more_models", "engine", "device", "precision")
    key = repr([getattr(task.settings, name) for name in names] + [task.threads, task.command["models"]])
    if key not in _KEPT:
        _KEPT.clear()
        say = lambda text: notes.append(Notes([text]))  # noqa: E731
        _KEPT[key] = load_engines(task.settings, say=say, threads=task.threads)
        _LOADS.append(key)
    return _KEPT[key]


def _host() -> str:
    import socket

    return socket.gethostname()


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
        done: Queue[tuple[int, Future[Outcome]]] = Queue()
        futures = [client.submit(work, task, pure=False, retries=RETRIES) for task in tasks]
        try:
            for number, future in enumerate(futures):
                future.add_done_callback(partial(_put, done, number))
            for left in range(len(futures), 0, -1):
                number, future = _next(done, client, workers, left)
                yield number, _outcome(future, workers, tasks[number])
                futures[number] = None  # its memory on the cluster is released
        finally:
            client.cancel([f for f in futures if f is not None])


def _put(done: Queue[tuple[int, Any]], number: int, future: Any) -> None:
    done.put((number, future))


def _next(done: Queue[tuple[int, Any]], client: Client, workers: Workers, left: int) -> tuple[int, Any]:
    """The next future that is done; says so if there is no worker meanwhile."""
    while True:
        try:
            return done.get(timeout=_PATIENCE_S)
        except Empty:
            pass
        if client.status != "running":
            raise UserError(_gone(workers))
        if not client.scheduler_info()["workers"]:
            notice(
                f"No worker is there for the {left} images that are left. Start one: dask worker {workers.scheduler}"
            )


def _outcome(future: Any, workers: Workers, task: Task) -> Outcome:
    """The outcome, or why there is none."""
    if future.status in ("cancelled", "lost"):
        raise UserError(_gone(workers))
    if future.status == "error":
        return Outcome(None, [], _why(future.exception(), task), "", 0)
    outcome: Outcome = future.result()
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
        quiet = {"distributed.scheduler.allowed-failures": RETRIES, "distributed.admin.low-level-log-length": 100}
        with (
            dask.config.set(quiet),
            LocalCluster(
                n_workers=workers.n,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
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
