"""`rank`: order images by how much correcting them would improve a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_centermask.cli.flags import check_segment_flags, one_model
from napari_centermask.cli.output import busy, follow, notice, print_json
from napari_centermask.io.image_files import image_files
from napari_centermask.settings import SegmentSettings

Flag = Annotated[bool, Parameter(negative=())]


def rank(
    images: list[Path],
    /,
    *,
    reviewed: list[Path] | None = None,
    axes: str | None = None,
    json: Flag = False,
    settings: Annotated[SegmentSettings, Parameter(name="*")] = SegmentSettings(),  # noqa: B008  a frozen default
) -> int:
    """Rank images by how much correcting them would improve the model; no annotations are needed.

    Each image is segmented as it is and mirrored. Images rank high if the model is unsure or contradicts itself on them, and
    if they look unlike the reviewed images and those ranked before them. Of a stack, the
    middle plane is used, or the closest one that is not blank.

    For example:

      napari-centermask rank plate --model nuclei

      napari-centermask rank plate --reviewed plate/A01.tif plate/A02.tif --json

    Parameters
    ----------
    images
        Image files (png, tif, jpg, npy), or folders of them.
    reviewed
        Images that were corrected already, or folders of them; they are not ranked.
    axes
        What the axes of the images are, a letter for each (T, Z, C, Y, X): ZYX; as their files say when not given.
    json
        Print the order, and the parts of each value, as JSON.
    """
    from napari_centermask.engines.load import load_chosen
    from napari_centermask.models.store.zoo import find_model
    from napari_centermask.pipeline.ranking import ranking_steps

    known = {f.resolve(): f for path in reviewed or [] for f in image_files(path, notice)}
    files = {f.resolve(): f for path in images for f in image_files(path, notice)}
    waiting = {k: f for k, f in files.items() if k not in known}
    check_segment_flags(settings, [find_model(settings.model).card], also=one_model("images are ranked by one model"))
    with busy(f"Loading {settings.model}"):
        engine = load_chosen(settings.model, settings, say=notice)
    ranking = follow(ranking_steps(waiting, engine, settings, reviewed=known, axes=axes, say=notice), "images")
    for why in ranking.left_out.values():
        notice(f"Left out: {why}")
    if not ranking.values:
        notice("None of the images can be ranked. See the messages above.")
    if json:
        signs = ("entropy", "disagreement", "poor_masks")
        rows = [
            {"image": waiting[k], "value": v} | {s: getattr(ranking.signs[k], s) for s in signs}
            for k, v in ranking.values.items()
        ]
        print_json({"images": rows, "left_out": {str(waiting[k]): why for k, why in ranking.left_out.items()}})
    else:
        for key, value in ranking.values.items():
            print(f"{value:.3f}  {waiting[key]}")
    if ranking.stopped:
        notice(f"{len(ranking.values)} of {len(waiting)} images are ranked.")
        raise KeyboardInterrupt
    return 2 if ranking.left_out else 0
