"""The card of a classifier of cells; its file, NAME.classifier.onnx, contains card and network. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_centermask.core.errors import BadModel
from napari_centermask.core.normalise import RANGE
from napari_centermask.models.store.headers import CARD_KEY, read_onnx
from napari_centermask.models.store.zoo import CLASSIFIER as SUFFIX
from napari_centermask.models.store.zoo import is_name, shipped_folder, user_folder
from napari_centermask.settings import ClassifierSettings


class ClassifierCard(BaseModel):
    """What a reader of the file must know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100)
    kind: Literal["classifier"] = "classifier"
    licence: str = Field(min_length=1, description="SPDX name of the weights' licence, or its text.")
    model: ClassifierSettings
    percentiles: tuple[float, float] = Field(RANGE, description="Intensities mapped to 0 and 1.")
    temperature: float = Field(1.0, gt=0, description="Temperature of the probabilities, fitted on val.")
    training: dict[str, Any] = Field(default_factory=dict, description="Data by hash, settings, seed, time.")
    metrics: dict[str, Any] = Field(default_factory=dict, description="Metrics per data set and split.")
    limits: list[str] = Field(default_factory=list, description="What it is not suited for.")
    description: str = ""

    def to_json(self) -> str:
        """The card as JSON, on one line."""
        return self.model_dump_json()


def read_classifier_card(path: Path) -> ClassifierCard:
    """The card of a classifier's file.

    Raises
    ------
    BadModel
        If the file is missing or damaged, or is something else.
    """
    header = read_onnx(Path(path))
    try:
        card = ClassifierCard.model_validate_json(header.metadata.get(CARD_KEY, ""))
    except ValidationError as error:
        fault = error.errors()[0]
        raise BadModel(
            f"{Path(path).name} is not a classifier of cells ({fault['msg']}). Choose a file NAME.classifier.onnx."
        ) from None
    expected = {"crops": (1, card.model.in_channels + 1), "probabilities": (1, len(card.model.categories))}
    for name, (axis, size) in expected.items():
        shape = header.shapes.get(name, ())
        if len(shape) <= axis or shape[axis] not in (0, size):
            raise BadModel(
                f"The card of {Path(path).name} does not describe its network: '{name}' should have {size} on axis "
                f"{axis}, its shape is {shape}. Train it again."
            )
    return card


def find_classifier(name_or_path: str | Path) -> Path:
    """The file of a classifier, by its path or by the name of the installed model that includes it.

    Raises
    ------
    BadModel
        If there is none; lists the available ones.
    """
    text = str(name_or_path)
    if is_name(text):
        for root in (shipped_folder(), user_folder()):
            if (path := root / text / f"{text}{SUFFIX}").is_file():
                return path
    path = Path(text).expanduser()
    if path.is_file():
        return path
    raise BadModel(
        f"There is no classifier '{text}'. Choose a file NAME{SUFFIX}, or a model that includes one "
        f"({', '.join(list_classifiers()) or 'none'})."
    )


def list_classifiers() -> list[str]:
    """Names of the installed models that include a classifier, our own first."""
    paths = (p for root in (shipped_folder(), user_folder()) for p in sorted(root.glob(f"[!.]*/*{SUFFIX}")))
    return [p.parent.name for p in paths if p.name == f"{p.parent.name}{SUFFIX}"]
