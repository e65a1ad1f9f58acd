"""Settings for fields of disks, and how well cells agree with them."""

from scipy.ndimage import label

from napari_centermask.core.compose import from_label_image
from napari_centermask.core.instances import intersection
from napari_centermask.settings import SegmentSettings

SHAPE = (1500, 1600)


LARGE = [(800, 545, 150), (300, 1100, 120), (1250, 1290, 200)]  # larger than the overlap, across seams of 512 tiles
APART = [(100, 100, 400, 500), (1100, 1000, 1400, 1600)]


def options(**fields):
    return SegmentSettings(**({"diameter": 40, "percentiles": (0, 100)} | fields))


def f1(truth, predicted, iou=0.7):
    def same(t, p):
        shared = intersection(t, p)
        return shared and shared >= iou * (t.area + p.area - shared)

    matched = sum(any(same(t, p) for p in predicted) for t in truth)
    return 2 * matched / (len(truth) + len(predicted))


def truth_of(image):
    cells = from_label_image(label(image[0])[0])
    return [c for c in cells if c.area >= 8]
