"""Sizes of machines to rent, which one suits a run and why, and how many node-hours it may take at most."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import TrainSettings

SMALL = 5_000
"""Tiles of 256 x 256 in a whole run up to which CPUs do: a choice, about half an hour on 16 cores."""
LARGE = 500_000
"""Tiles of 256 x 256 from which a faster GPU is worth its price: a choice, three times the default of 20,000 steps of 8."""
STARTING_H = 0.5
"""For a machine to start, install the environment and load the data, in hours: a choice, added to the limit of a job."""
LONGEST_H = 24.0
"""Limit of a job without a time limit of its own, in hours: a choice, so that a forgotten job ends."""


@dataclass(frozen=True)
class ComputeSize:
    """A machine to rent.

    Attributes
    ----------
    gpus
        How many, of `gpu`, with `gpu_gb` of memory each; 0 for a machine without.
    """

    name: str
    cores: int
    memory_gb: int
    gpus: int = 0
    gpu: str = ""
    gpu_gb: int = 0

    @property
    def summary(self) -> str:
        """In words."""
        gpus = f", {self.gpus} x {self.gpu} with {self.gpu_gb} GB" if self.gpus else ", no GPU"
        return f"{self.name}: {self.cores} cores, {self.memory_gb} GB{gpus}"


SIZES = (
    ComputeSize("Standard_F16s_v2", 16, 32),
    ComputeSize("Standard_NC4as_T4_v3", 4, 28, 1, "T4", 16),
    ComputeSize("Standard_NC64as_T4_v3", 64, 440, 4, "T4", 16),
    ComputeSize("Standard_NC24ads_A100_v4", 24, 220, 1, "A100", 80),
    ComputeSize("Standard_NC48ads_A100_v4", 48, 440, 2, "A100", 80),
    ComputeSize("Standard_NC96ads_A100_v4", 96, 880, 4, "A100", 80),
    ComputeSize("Standard_NC40ads_H100_v5", 40, 320, 1, "H100", 94),
    ComputeSize("Standard_NC80adis_H100_v5", 80, 640, 2, "H100", 94),
)
"""Of Azure, as its pages of virtual machine sizes describe them; any other size may be given by name."""


@dataclass(frozen=True)
class Advice:
    """A size, and why."""

    size: ComputeSize
    reason: str


def size_named(name: str) -> ComputeSize | None:
    """A size of the table; None for others, of which we know nothing."""
    return next((size for size in SIZES if size.name.lower() == name.lower()), None)


def advise(settings: TrainSettings) -> Advice:
    """The size for a run, by the memory of a step and the number of tiles.

    A step is taken to need a gigabyte for each tile of 256 x 256, as where defaults are computed (`training.run.defaults`).
    """
    tiles = (settings.tile / 256) ** 2
    need_gb, total = settings.batch * tiles, settings.steps * settings.batch * tiles
    work = f"{settings.steps:,} steps of {settings.batch} tiles of {settings.tile} pixels"
    if total <= SMALL:
        return Advice(SIZES[0], f"{work} are few, so that CPUs do; a GPU would mostly wait for its start")
    single = [size for size in SIZES if size.gpus == 1]
    enough = [size for size in single if size.gpu_gb >= need_gb and (total < LARGE or size.gpu != "T4")]
    if enough:
        why = (
            "the smallest GPU with that"
            if enough[0].gpu == "T4"
            else "a faster GPU, as the run is long or its step large"
        )
        return Advice(enough[0], f"{work} need about {math.ceil(need_gb)} GB of GPU memory at a time; {why}")
    most = SIZES[-1]
    return Advice(
        most, f"{work} need about {math.ceil(need_gb)} GB at a time, more than one GPU has: use several processes"
    )


@dataclass(frozen=True)
class Estimate:
    """What a job may take.

    Attributes
    ----------
    hours
        After which the service ends it.
    expected_hours
        Of the run's own time limit and the start; None without such a limit.
    """

    nodes: int
    hours: float
    expected_hours: float | None

    @property
    def node_hours(self) -> float:
        """At most."""
        return self.nodes * self.hours

    @property
    def summary(self) -> str:
        """In words."""
        most = f"At most {self.nodes} x {self.hours:.2g} h = {self.node_hours:.3g} node-hours, then the service ends the job"
        if self.expected_hours is None:
            return f"{most}. How long the run takes is not known; set `minutes` to limit it."
        return f"{most}; about {self.nodes * self.expected_hours:.2g} expected, with the start of the machines."


def estimate(settings: TrainSettings, nodes: int, hours: float | None = None) -> Estimate:
    """What a run may take on so many machines.

    Parameters
    ----------
    hours
        Limit of the job; by default twice the run's own time limit and its start, as evaluations are not counted in it.

    Raises
    ------
    BadSettings
        If there is no machine, or the limit is shorter than the run's own.
    """
    own = None if settings.minutes is None else settings.minutes / 60
    limit = hours or (LONGEST_H if own is None else 2 * own + STARTING_H)
    if nodes < 1 or limit <= 0:
        raise BadSettings(f"A job needs at least 1 machine and some time, got {nodes} and {limit:g} hours.")
    if own is not None and limit < own:
        raise BadSettings(
            f"The job would end after {limit:g} h, before the {own:.2g} h of its training. Raise --hours."
        )
    return Estimate(nodes, limit, None if own is None else own + STARTING_H)
