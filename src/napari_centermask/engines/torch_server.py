"""The torch engine in a process of its own, which answers `engines.child`: python -m napari_centermask.engines.torch_server."""

from __future__ import annotations

import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_centermask.core.errors import UserError, reason
from napari_centermask.engines import RegionEngine, RegionFeatures
from napari_centermask.engines.messages import receive, send

KEPT = 4
"""Passes whose features are kept for masks, about 100 MB each with tiles of 1,024: a choice."""


def serve(engine: RegionEngine, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the other process ends."""
    kept: OrderedDict[int, RegionFeatures] = OrderedDict()
    while True:
        try:
            asked, arrays = receive(requests)
        except EOFError:
            return
        try:
            values, made = _answer(engine, kept, asked, arrays)
        except Exception as error:  # torch raises errors of any class, and the other process decides
            kept.clear()
            values, made = _failure(error), []
        send(answers, values, *made)


def _answer(
    engine: RegionEngine, kept: OrderedDict[int, RegionFeatures], asked: dict[str, Any], arrays: list[np.ndarray]
) -> tuple[dict[str, Any], list[np.ndarray]]:
    number, index = asked["number"], asked.get("index", 0)
    if asked["call"] == "features":
        features = engine.features(arrays[0])
        while len(kept) >= KEPT:
            kept.popitem(last=False)
        kept[number] = features
        return {}, [part for one in features.found for part in (one.boxes, one.scores, one.classes, one.probabilities)]
    if number not in kept:
        return {"forgotten": True}, []
    if asked["call"] == "votes":
        return {}, [engine.votes(kept[number], arrays[0], index=index)]
    return {}, list(engine.masks(kept[number], arrays[0], arrays[1], index=index))


def _failure(error: Exception) -> dict[str, Any]:
    return {
        "error": str(error) if isinstance(error, UserError) else reason(error),
        "user": isinstance(error, UserError),
    }


def main(weights: str, device: str, precision: str, batch: str) -> None:
    """Load the model and serve; what libraries print goes to standard error."""
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    try:
        from napari_centermask.engines.torch import load

        engine: Any = load(Path(weights), device=device, precision=precision, batch=int(batch) or None)  # type: ignore[arg-type]
    except Exception as error:  # as above
        send(answers, _failure(error))
        return
    send(answers, {"device": engine.device, "precision": engine.precision, "batch": engine.batch})
    serve(engine, sys.stdin.buffer, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
