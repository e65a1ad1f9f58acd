"""An engine that needs torch, for napari, which must not load it: the network runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import weakref
from dataclasses import dataclass
from itertools import count
from typing import Any, BinaryIO, cast

import numpy as np

from napari_centermask.core.errors import BadModel
from napari_centermask.engines import Detections, RegionFeatures
from napari_centermask.engines.messages import receive, send
from napari_centermask.engines.runtime import Precision
from napari_centermask.models.store.zoo import ModelFiles


@dataclass(frozen=True)
class _Pass:
    """What the process knows features by; the tiles, if it has forgotten them."""

    number: int
    tiles: np.ndarray


class ChildEngine:
    """See `RegionEngine`; the process ends with this object, or with this program.

    Parameters
    ----------
    files
        A model with weights.
    device, precision, batch
        As for `engines.torch.load`.

    Raises
    ------
    BadModel
        If the process cannot load the model; the message is its own.
    """

    name = "torch"

    def __init__(
        self, files: ModelFiles, *, device: str = "auto", precision: Precision = "float32", batch: int | None = None
    ) -> None:
        if files.weights is None:
            raise BadModel(f"The engine 'torch' needs weights ({files.name}.safetensors). Choose another model.")
        self.card = files.card
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the process has ended)
        arguments = [str(files.weights), device, precision, str(batch or 0)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "napari_centermask.engines.torch_server", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._end = weakref.finalize(self, _end, self._process, self._errors)
        self._numbers = count()
        try:
            started, _ = self._received()
        except BaseException:
            self._end()
            raise
        self.device: str = started["device"]
        self.precision: Precision = started["precision"]
        self.batch: int = started["batch"]

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone, as when the system killed it for want of memory; nothing more can be asked then."""
        return self._process.poll() is not None

    def features(self, tiles: np.ndarray) -> RegionFeatures:
        """See `RegionEngine.features`."""
        one = _Pass(next(self._numbers), tiles)
        _, arrays = self._asked({"call": "features", "number": one.number}, tiles)
        found = tuple(Detections(*arrays[start : start + 4]) for start in range(0, len(arrays), 4))
        return RegionFeatures((tiles.shape[2], tiles.shape[3]), one, found)

    def votes(self, features: RegionFeatures, boxes: np.ndarray, *, index: int = 0) -> np.ndarray:
        """See `RegionEngine.votes`."""
        return self._of(features, "votes", index, np.asarray(boxes, np.float32))[0]

    def masks(
        self, features: RegionFeatures, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `RegionEngine.masks`."""
        probabilities, quality = self._of(
            features, "masks", index, np.asarray(boxes, np.float32), np.asarray(classes, np.int64)
        )
        return probabilities, quality

    def _of(self, features: RegionFeatures, call: str, index: int, *arrays: np.ndarray) -> list[np.ndarray]:
        """Ask about features, which the process computes again if it has forgotten them."""
        one: _Pass = features.pyramid
        asked = {"call": call, "number": one.number, "index": index}
        values, answer = self._asked(asked, *arrays)
        if values.get("forgotten"):
            self._asked({"call": "features", "number": one.number}, one.tiles)
            values, answer = self._asked(asked, *arrays)
        return answer

    def _asked(self, values: dict[str, Any], *arrays: np.ndarray) -> tuple[dict[str, Any], list[np.ndarray]]:
        try:
            send(cast(BinaryIO, self._process.stdin), values, *arrays)
        except OSError as error:
            raise RuntimeError(self._last_words()) from error
        return self._received()

    def _received(self) -> tuple[dict[str, Any], list[np.ndarray]]:
        try:
            values, arrays = receive(cast(BinaryIO, self._process.stdout))
        except EOFError as error:
            raise RuntimeError(self._last_words()) from error
        if "error" in values:
            raise BadModel(values["error"]) if values["user"] else RuntimeError(values["error"])
        return values, arrays

    def _last_words(self) -> str:
        """Why the process ended, as far as it said."""
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        said = f": {lines[-1]}" if lines else ""
        return f"the process that runs it ended with code {code}{said}."


def _end(process: subprocess.Popen[bytes], errors: BinaryIO) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, errors):
        if stream is not None:
            try:
                stream.close()
            except OSError:  # what was left to write to the ended process
                continue
