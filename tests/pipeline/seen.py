"""What a model sees of an image."""

from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.settings import PreprocessSettings, SegmentSettings

NAMES = ["nucleus", "cytoplasm", "membrane"]


EVEN = PreprocessSettings(background="tophat", background_size=40, denoise="gaussian", denoise_size=1.5)


def read(image, card, *, scale=1.0, box=None, **settings):
    scaled = ModelInput.of(image, card, SegmentSettings(**settings)).scaled(scale)
    return scaled.read(box or (0, 0, *scaled.shape))
