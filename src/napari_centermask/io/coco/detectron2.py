"""Lists of results, as the evaluators of detectron2 and pycocotools write them: annotations without their images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import BadAnnotations

_LARGEST = 1 << 31  # bytes to read of a file beside it


def with_images(path: Path, results: list[Any]) -> dict[str, Any]:
    """Add the images and categories of the COCO file beside the results to which they belong.

    Raises
    ------
    BadAnnotations
        If they are not results, have only boxes, or no file beside them lists their images.
    """
    if not results or not all(isinstance(r, dict) and "image_id" in r and "category_id" in r for r in results):
        raise BadAnnotations(
            f"{path.name} is not COCO: it is neither an object nor a list of results with 'image_id' and 'category_id'. "
            "Export it as COCO instances."
        )
    if not any(r.get("segmentation") for r in results):
        raise BadAnnotations(f"{path.name} holds boxes without masks. Export the results of the masks ('segm').")
    wanted = {str(r["image_id"]) for r in results}
    for candidate in _beside(path):
        data = _coco(candidate)
        if data is not None and wanted <= {str(image.get("id")) for image in data["images"] if isinstance(image, dict)}:
            annotations = [r | {"id": n, "iscrowd": 0} for n, r in enumerate(results, start=1)]
            return {"images": data["images"], "categories": data.get("categories", []), "annotations": annotations}
    raise BadAnnotations(
        f"{path.name} is a list of results, which names no images. Put the COCO file that was evaluated on beside it, "
        "as annotations.json."
    )


def _beside(path: Path) -> list[Path]:
    """Files of the folder that may list the images, the likely ones first."""
    first = sorted(path.parent.glob("annotations*.json"))
    return [p for p in dict.fromkeys((*first, *sorted(path.parent.glob("*.json")))) if p != path]


def _coco(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > _LARGEST:
            return None
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and isinstance(data.get("images"), list) else None
