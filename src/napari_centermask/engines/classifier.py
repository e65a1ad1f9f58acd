"""Classifiers of cells on OpenVINO or ONNX Runtime; torch is not needed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from napari_centermask.core.errors import BadModel, BadSettings, UserError, reason
from napari_centermask.core.probabilities import tempered
from napari_centermask.models.store.classifier_card import ClassifierCard, find_classifier, read_classifier_card
from napari_centermask.models.store.onnx_constants import check_constants

CROPS, PROBABILITIES = "crops", "probabilities"
_BATCH = 256  # crops at a time: 57 us each, 90 with 1,024 (scripts/benchmarks/limits.py)


class ClassifierEngine:
    """A loaded classifier of cells.

    Parameters
    ----------
    path
        NAME.classifier.onnx.
    engine
        "openvino", "onnx", or "auto": OpenVINO if it is installed.

    Raises
    ------
    BadModel, BadSettings, MissingExtra
        The message says what to do.
    """

    def __init__(self, path: Path, *, engine: str = "auto", threads: int | None = None) -> None:
        self.card: ClassifierCard = read_classifier_card(path)
        if engine == "auto":
            engine = "openvino" if find_spec("openvino") is not None else "onnx"
        self.name, self.device = engine, "cpu"
        check_constants(path)
        try:
            self._run = _opened(path, engine, threads)
        except UserError:
            raise
        except Exception as error:  # runtimes raise errors of any class
            raise BadModel(
                f"{path.name} cannot be run by {engine}: {reason(error)}. Choose another classifier, or train it again."
            ) from error

    def probabilities(self, crops: np.ndarray) -> np.ndarray:
        """Classify cells; probabilities are calibrated by the card's temperature.

        Parameters
        ----------
        crops
            (N, C + 1, side, side) float32, see `pipeline.classify.cell_crops`.

        Returns
        -------
        numpy.ndarray
            (N, categories) float64, rows sum to 1.
        """
        parts = [self._run(crops[start : start + _BATCH]) for start in range(0, len(crops), _BATCH)]
        raw = np.concatenate(parts) if parts else np.zeros((0, len(self.card.model.categories)))
        return tempered(raw, self.card.temperature)


def _opened(path: Path, engine: str, threads: int | None) -> Callable[[np.ndarray], np.ndarray]:
    """What gives the probabilities of crops."""
    if engine == "openvino":
        from napari_centermask.engines.openvino import compile_graph

        graph = compile_graph(path, "cpu", threads)
        return lambda crops: np.array(graph({CROPS: crops})[PROBABILITIES])
    if engine == "onnx":
        from napari_centermask.engines.onnx import open_session

        session, _ = open_session(path, "cpu", threads)
        return lambda crops: np.asarray(session.run([PROBABILITIES], {CROPS: crops})[0])
    raise BadSettings(f"A classifier runs on the engines auto, openvino or onnx, not {engine!r}.")


def load_classifier(name_or_path: str | Path, *, engine: str = "auto", threads: int | None = None) -> ClassifierEngine:
    """Load a classifier from its file, or by the name of the model that includes it."""
    return ClassifierEngine(find_classifier(name_or_path), engine=engine, threads=threads)
