"""Training images as the model will see them in use: the same channels, corrections and scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.illumination import corrected
from napari_centermask.core.instances import Instances
from napari_centermask.core.normalise import intensity_range
from napari_centermask.models.store.card import ModelCard, check_names
from napari_centermask.pipeline.channels import choose_channels
from napari_centermask.pipeline.correction import correction_of
from napari_centermask.pipeline.model_input import nominal_scale
from napari_centermask.settings import NetworkSettings, SegmentSettings, TrainSettings
from napari_centermask.training.data.image_store import ImageStore
from napari_centermask.training.data.packed_cells import instances_of, packed, size_of
from napari_centermask.training.data.sample import Sample, folder_diameter


def follow_card(settings: TrainSettings, card: ModelCard) -> TrainSettings:
    """The settings with the input settings of the start model; the flat field is that of the new images."""
    own = {"flat_field": settings.preprocess.flat_field, "dark": settings.preprocess.dark}
    zscore = card.normalisation == "zscore"
    return settings.model_copy(
        update={
            "preprocess": card.preprocess.model_copy(update=own),
            "normalisation": "zscore" if zscore else "percentile",
            "channel_names": list(card.channel_names or settings.channel_names),
        }
    )


def network_of(settings: TrainSettings, card: ModelCard) -> NetworkSettings:
    """The network that is trained: the start model's, with the categories of the settings if those are others.

    A single one is only where nothing else of the network is named, or it is the start model's in all else: a file of settings
    may hold the default network, of one category.
    """
    wanted, known = settings.model, card.model
    if "model" not in settings.model_fields_set or wanted.categories == known.categories:
        return known
    is_alone = wanted.model_fields_set == {"categories"} or wanted.model_dump(
        exclude={"categories"}
    ) == known.model_dump(exclude={"categories"})
    if len(wanted.categories) > 1 or is_alone:
        return known.model_copy(update={"categories": list(wanted.categories)})
    return known


def check_inputs(settings: TrainSettings) -> None:
    """Raise an error if the channel names do not fit the model, or corrections have no single scale.

    Raises
    ------
    BadSettings
        Names what was given and what is needed.
    """
    if settings.diameters == "per-category" and {settings.preprocess.background, settings.preprocess.denoise} != {
        "none"
    }:
        raise BadSettings(
            "Sizes of preprocess.background and preprocess.denoise are for one scale of the image, and with "
            "diameters=per-category there are several. Leave the correction out, or choose diameters=one."
        )
    try:
        check_names(settings.channel_names, settings.model.in_channels)
    except ValueError as error:
        raise BadSettings(f"{error}. Give one name for each of 'model.in_channels', in the model's order.") from None


def stored(sample: Sample, store: ImageStore, *, corrections: str = "") -> Sample:
    """The sample with its image where the store keeps it; `corrections` says what was done to the image of the file."""
    image = sample.image
    if not isinstance(image, np.ndarray):
        return sample
    return replace(sample, image=store.keep(image, f"{sample.source} {corrections}"))


def with_cells_stored(sample: Sample, store: ImageStore) -> Sample:
    """The sample with its cells in memory if the store has room for them, else in files."""
    cells = list(sample.instances)
    if store.takes(size_of([*cells, *sample.doubtful])):
        own = Instances(sample.instances.shape, cells, categories=sample.instances.categories, are_checked=True)
        return replace(sample, instances=own)
    known, doubtful = packed(cells, store), packed(sample.doubtful, store)
    return replace(sample, instances=instances_of(known, sample.instances), doubtful=doubtful, packed=known)


def prepared(samples: list[Sample], settings: TrainSettings, store: ImageStore | None = None) -> list[Sample]:
    """The images of a data folder for the sampler, read by the same code as in segmentation (`pipeline.model_input`).

    Corrected images go into the store, if one is given, in place of those that they were made from.

    Raises
    ------
    BadImage
        Names the file whose channels do not fit, or that differs in size from the flat field.
    """
    check_inputs(settings)
    typical = folder_diameter(samples, settings.diameter)
    rest, done = samples[::-1], list[Sample]()
    del samples  # so that an image leaves memory when its corrected version takes its place
    while rest:
        sample = rest.pop()
        done.append(_prepared(sample, settings, sample.diameter or typical, store))
    return done


def _prepared(sample: Sample, settings: TrainSettings, diameter: float, store: ImageStore | None) -> Sample:
    image, where, order = sample.image, f"{sample.folder}/{sample.name}", None
    if settings.channel_names:
        order = list(order_of(image.shape[0], sample.names, settings, where=where))
        image = image[order]
    try:
        correction = correction_of(settings.preprocess, nominal_scale(settings.diameter / diameter))
        image = corrected(image, correction)
        if not correction.is_empty:
            image = np.asarray(image)
    except (BadImage, BadSettings) as error:
        raise BadImage(f"{where}: {error}") from error
    lo, hi = intensity_range(
        image, zscore=settings.normalisation == "zscore", specks=not settings.preprocess.ignore_specks
    )
    changed = replace(sample, image=image, lo=lo, hi=hi)
    if store is None or image is sample.image:
        return changed
    store.release(sample.image)
    return stored(changed, store, corrections=f"{order} {settings.preprocess.model_dump_json()} {diameter}")


@dataclass(frozen=True)
class _Wanted:
    """See `pipeline.channels.WantsChannels`; an image to train on must have all channels."""

    model: NetworkSettings
    channel_names: tuple[str, ...]
    bears_missing: bool = False


def order_of(n_channels: int, names: Sequence[str], settings: TrainSettings, *, where: str) -> tuple[int, ...]:
    """The image's channel for each named channel of the model; `names` are those of the file, empty if it has none.

    Raises
    ------
    BadImage
        If they do not fit; `where` names the file.
    """
    own = SegmentSettings(channel_names=list(names) or None)
    wanted = _Wanted(settings.model, tuple(settings.channel_names))
    try:
        return choose_channels(n_channels, wanted, own)
    except (BadImage, BadSettings) as error:
        raise BadImage(f"{where}: {error}") from error


def for_sampler(settings: TrainSettings) -> TrainSettings:
    """Named channels mean different things: no tile is made grey, and three of them are no colours."""
    if not settings.channel_names:
        return settings
    none = {"grey": 0.0, "stain": 0.0}
    return settings.model_copy(update={"augment": settings.augment.model_copy(update=none)})
