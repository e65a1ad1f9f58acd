"""The scoring script of an endpoint: `init` loads the ONNX model of a deployment, `run` segments the image of a request.

It is called by Azure's inference server, knows nothing else of Azure, and can be called as it is on any computer.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from napari_centermask.core.errors import BadModel, UserError
from napari_centermask.engines.ensemble import AnySegmenter
from napari_centermask.engines.load import load_engines
from napari_centermask.io.coco.document import to_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.pipeline.image_file import segment_file
from napari_centermask.pipeline.progress import run_through
from napari_centermask.settings import SegmentSettings, Settings, fault_text

MODEL_DIR = "AZUREML_MODEL_DIR"
"""The variable in which the service names the folder of the model."""
OURS = ("model", "more_models", "engine", "device", "precision")
"""Settings that belong to the deployment, not to a request."""


class Request(Settings):
    """A request, as JSON."""

    image: str = Field(..., description="An image file, base64.")
    name: str = Field("image.png", description="Its name, whose ending says the format.")
    axes: str | None = Field(None, description="A letter for each axis, as `segment --axes`.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Such as diameter, score and channels.")


def init() -> None:
    """Load the model: called once, before the first request.

    Raises
    ------
    BadModel
        If the deployment has none.
    """
    _engine()


@cache
def _engine() -> AnySegmenter:
    return load_engines(SegmentSettings(model=str(_graph()), engine="onnx"), say=print)


def _graph() -> Path:
    """One of the graphs of the model."""
    folder = Path(os.environ.get(MODEL_DIR, "."))
    graphs = sorted(folder.rglob("*.onnx"))
    if not graphs:
        raise BadModel(f"There is no ONNX model in {folder}. Deploy a folder with the graphs of a model.")
    return graphs[0]


def run(raw: str) -> Any:
    """Segment the image of a request.

    Parameters
    ----------
    raw
        JSON, see `Request`.

    Returns
    -------
    dict
        COCO with the cells of all planes, as `segment --format coco` writes it; a wrong request is answered with the status
        400 and {"error": {"code": "BadRequest", "message": why}}.
    """
    try:
        return _answer(Request.model_validate_json(raw))
    except ValidationError as error:
        fault = error.errors()[0]
        return _refused(f"{'.'.join(map(str, fault['loc'])) or 'The request'}: {fault_text(fault)}")
    except UserError as error:
        return _refused(str(error))


def _answer(request: Request) -> dict[str, Any]:
    if others := [name for name in OURS if name in request.settings]:
        raise UserError(f"{', '.join(others)} belongs to the deployment. Leave it out of the settings.")
    settings = SegmentSettings.model_validate(request.settings)
    try:
        content = base64.b64decode(request.image, validate=True)
    except binascii.Error as error:
        raise UserError(f"image is not base64 ({error}). Encode the bytes of an image file.") from None
    name = Path(request.name).name
    with tempfile.TemporaryDirectory(prefix="centermask-") as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        done = run_through(segment_file(path, _engine(), settings, axes=request.axes))
        size = {"pixel_size_um": done.image.pixel_size_um} if done.image.pixel_size_um else {}
        return to_coco(
            ImageRecord(
                *(number, name, None, plane.cells.shape, plane.cells, size),
                plane=plane.plane.index,
                leading=done.image.leading,
            )
            for number, plane in enumerate(done.planes, start=1)
        )


def _refused(why: str) -> Any:
    answer = {"error": {"code": "BadRequest", "message": why}}  # as Azure's own clients expect it
    try:
        from azureml_inference_server_http.api.aml_response import AMLResponse
    except ImportError:  # called on another computer
        return answer
    return AMLResponse(json.dumps(answer), 400)
