"""`train-classifier`: train a classifier of cells on annotated cells."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import Parameter

from napari_centermask.cli.output import busy, check_writable, notice
from napari_centermask.core.errors import BadSettings, MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.settings import ClassifierTraining


def train_classifier(*, settings: Annotated[ClassifierTraining, Parameter(name="*")]) -> int:
    """Train a classifier of single cells on annotated cells, in about a minute.

    For example:

      napari-centermask train-classifier --data fields --out mine.classifier.onnx

      napari-centermask train-classifier --data fields --out mine.classifier.onnx --class-weights balanced
    """
    from napari_centermask.models.store.zoo import CLASSIFIER as SUFFIX

    name = settings.out.name.removesuffix(SUFFIX)
    if not settings.out.name.endswith(SUFFIX) or not name:
        raise BadSettings(f"--out must be a file NAME{SUFFIX}, not {settings.out.name}.")
    check_writable([settings.out], data=settings.data)
    try:
        from napari_centermask.deploy.classifier_export import export_classifier
        from napari_centermask.training.run.classifier import train_classifier as train
        from napari_centermask.training.run.copies import readable
    except ImportError as error:
        raise MissingExtra(f"Training needs PyTorch ({error}): {how_to_install('train')}") from error
    with TemporaryDirectory(prefix="centermask-", ignore_cleanup_errors=True) as temporary, busy("Training"):
        settings = settings.model_copy(update={"data": readable(settings.data, Path(temporary), say=notice)})
        model, card = train(settings, name=name)
    with busy("Exporting"):
        difference = export_classifier(model, card, settings.out)
    cells = ", ".join(f"{n} {kind}" for kind, n in card.training["cells"].items())
    print(f"{settings.out}: {cells}; {card.training['seconds']} s; within {difference:.1g} of torch on ONNX Runtime")
    return 0
