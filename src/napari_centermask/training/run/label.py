"""Label the unlabelled images of a run with its start model, before the first step."""

from __future__ import annotations

from collections.abc import Callable, Generator

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.left_out import LeftOut
from napari_centermask.engines.load import load_engine
from napari_centermask.events import NoticeEvent
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.pseudo_labels import label_images
from napari_centermask.training.run.folder import start_of


def label(
    settings: TrainSettings, *, device: str, is_stopped: Callable[[], bool]
) -> Generator[NoticeEvent, None, None]:
    """Write the pseudo-labelled data folder of a run, and say what is in it.

    Parameters
    ----------
    is_stopped
        Asked between tiles; then nothing is written.

    Raises
    ------
    BadImage, BadSettings
        If there is nothing to label, or the start model has other categories than the run.
    """
    engine = load_engine(str(start_of(settings)), engine="torch", device=device)
    _check_categories(settings, engine.card)
    left_out = LeftOut[str]()
    steps = label_images(settings, engine, left_out)
    while not is_stopped():
        try:
            next(steps)
        except StopIteration as end:
            yield NoticeEvent(message=end.value.sentence)
            break
    steps.close()
    for sentence in left_out.sentences:
        yield NoticeEvent(message=f"Left out: {sentence}")


def _check_categories(settings: TrainSettings, card: ModelCard) -> None:
    own, wanted = card.model.categories, settings.model.categories
    if own != wanted and not len(own) == len(wanted) == 1:
        raise BadSettings(
            f"The start model finds {', '.join(own)}, but this training has the categories {', '.join(wanted)}, for which "
            "it cannot label images. Leave 'unlabelled' out."
        )
