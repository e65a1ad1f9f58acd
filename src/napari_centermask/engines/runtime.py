"""How a network runs: the runtime, the device, the precision, the threads, and how many tiles go through at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings

Precision = Literal["float32", "bfloat16", "float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class How(TypedDict, total=False):
    """What the constructors of engines take beside graphs and card; see `Runtime`."""

    device: str
    threads: int | None
    precision: Precision
    batch: int | None


@dataclass(frozen=True)
class Runtime:
    """All that the speed of a network depends on, beside the machine.

    Attributes
    ----------
    engine
        "openvino", "onnx", "torch" or "tensorrt".
    device
        As an engine takes it: "cpu", "cuda", "cuda:1", "tensorrt", "mps", ...; several, separated by commas, share the work.
    precision
        Of convolutions and matrix products; boxes, pooling and probabilities are float32 in any case.
    threads
        CPU threads; None for all cores.
    batch
        Tiles that go through the network at once.
    """

    engine: str
    device: str = "cpu"
    precision: Precision = "float32"
    threads: int | None = None
    batch: int = 1

    def __str__(self) -> str:
        """For people: "openvino on cpu, bfloat16, 2 threads, 4 tiles at once"."""
        threads = [] if self.threads is None else [counted(self.threads, "thread")]
        batch = [] if self.batch == 1 else [f"{self.batch} tiles at once"]
        return ", ".join([f"{self.engine} on {self.device}", self.precision, *threads, *batch])


_TILES_AT_ONCE = 4  # on what is not a CPU, where nothing was measured: a choice, 5 GB with tiles of 1,024


def usual_batch(device: str) -> int:
    """Tiles that go through the network at once on a device, where nothing was measured."""
    return 1 if device == "cpu" else _TILES_AT_ONCE


def devices_of(text: str) -> list[str]:
    """The devices that a setting names: "cuda:0,cuda:1".

    Raises
    ------
    BadSettings
        If it names none, or "auto" among several.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names) or ("auto" in names and len(names) > 1):
        raise BadSettings(
            f"The device must be one, such as cpu or cuda, or several separated by commas, such as cuda:0,cuda:1, not '{text}'."
        )
    return names


def split_device(device: str) -> tuple[str, int]:
    """The kind of a device, and its number: ("cuda", 1) for "cuda:1".

    Raises
    ------
    BadSettings
        If the number is none.
    """
    kind, _, number = device.partition(":")
    if number and not number.isdecimal():
        raise BadSettings(f"The device '{device}' must end with a number, such as {kind}:0.")
    return kind, int(number or 0)


def check_precision(precision: str, possible: Sequence[str], *, engine: str, device: str) -> None:
    """Refuse a precision that an engine does not have on a device.

    Raises
    ------
    BadSettings
        Naming what it has.
    """
    if precision not in possible:
        why = (
            " This processor has no bfloat16 instructions."
            if (precision, device) == ("bfloat16", "cpu") and engine != "onnx"
            else ""
        )
        raise BadSettings(
            f"The engine {engine} on {device} computes in {' or '.join(possible)}, not in {precision}.{why} "
            f"Choose --precision {possible[0]}, or another engine."
        )
