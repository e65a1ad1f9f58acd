"""A sampler of tiles without variation."""

from napari_centermask.settings import AugmentSettings
from napari_centermask.training.data.loader import load_split
from napari_centermask.training.data.sampler import TileSampler

PLAIN = AugmentSettings(intensity=0, blur=0, noise=0, gradient=0, grey=0, copy_paste=0)


def sampler(settings, augment):
    settings = settings.model_copy(update={"augment": augment})
    return TileSampler([load_split(f, "train") for f in settings.data], settings)
