"""Whether detectron2 is there."""

from __future__ import annotations

from importlib.util import find_spec

from napari_centermask.core.errors import MissingExtra


def require() -> None:
    """Raise an error without detectron2.

    Raises
    ------
    MissingExtra
        If it is not installed, which no extra of ours can do, or does not import.
    """
    if not find_spec("detectron2"):
        raise MissingExtra(
            "This needs detectron2, which is not on PyPI. Install it as its own documentation says (docs/detectron2.md)."
        )
    try:
        import detectron2.modeling  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            f"detectron2 is there but cannot be imported ({error}). Install what it asks for (docs/detectron2.md)."
        ) from error
