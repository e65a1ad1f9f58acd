"""`flatfield`: estimate the uneven illumination of a microscope from many of its images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from napari_centermask.cli.output import check_free, notice
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.image_files import image_files
from napari_centermask.io.whole_file import whole_file

Flag = Annotated[bool, Parameter(negative=())]
FEWEST = 10  # planes: a choice; a cell that lies in one of ten still shows with a tenth of its light


def flatfield(
    images: list[Path],
    /,
    *,
    out: Path = Path("flat_field.tif"),
    dark: float = 0.0,
    axes: str | None = None,
    overwrite: Flag = False,
) -> int:
    """Estimate the illumination that images share, for `segment --preprocess.flat-field`.

    For example:

      napari-centermask flatfield plate --out flat.tif --dark 100

      napari-centermask segment plate --preprocess.flat-field flat.tif --preprocess.dark 100

    Parameters
    ----------
    images
        Ten or more images of one microscope and one size (each plane of a stack counts), or folders of them.
    out
        TIFF to write, with one channel for each channel of the images; each has mean 1.
    dark
        Grey level of the camera without light.
    axes
        What the axes of the images are, a letter for each (T, Z, C, Y, X): ZYX; as their files say when not given.
    overwrite
        Replace an existing file.
    """
    import tifffile

    from napari_centermask.core.flat_field import estimate_gain

    files = [f for path in images for f in image_files(path, notice)]
    check_free([out], overwrite=overwrite, inputs=files)
    seen: list[Path] = []
    left_out = LeftOut[Path](lambda why: notice(f"Error: {why}"), but=(BadSettings,))
    gain = estimate_gain(_planes(files, seen, axes, left_out), dark=dark)
    if len(seen) < FEWEST:
        notice(
            f"Only {counted(len(seen), 'plane')}: with fewer than {FEWEST}, cells may show in the flat field. Add images."
        )
    with whole_file(out) as part:
        tifffile.imwrite(part, gain, photometric="minisblack", compression="zlib")
    spread = float(gain.max() / gain.min())
    print(
        f"{out}: from {counted(len(seen), 'plane')}; the brightest place gets {spread:.2f} times the light of the darkest"
    )
    return 2 if left_out else 0


def _planes(files: list[Path], seen: list[Path], axes: str | None, left_out: LeftOut[Path]) -> Iterator[np.ndarray]:
    """All planes of all files that can be used; each file is noted in `seen` once for each."""
    from napari_centermask.io.images import read_image

    shape = None
    for path in files:
        planes: list[np.ndarray] = []
        with left_out.unless_done(path, path.name):
            image = read_image(path, axes=axes)
            planes = [np.asarray(plane) for _, plane in image.planes()]
            if image.note:
                notice(image.note)
            whole = [plane for plane in planes if np.isfinite(plane).all()]
            n, planes = len(planes) - len(whole), whole
            if n and not whole:
                raise BadImage(f"{path.name} has NaN or infinite intensities. Leave it out.")
            if n:
                notice(f"{path.name}: {counted(n, 'plane')} with NaN or infinite intensities left out.")
        for plane in planes:
            shape = shape or plane.shape
            if plane.shape != shape:
                raise BadSettings(
                    f"The images differ in shape: {seen[0].name} has {shape}, {path.name} {plane.shape}. "
                    "Choose images of one camera."
                )
            seen.append(path)
            yield plane
