"""What a form writes about a field of a settings class: its label, its tooltip, and why it has no effect."""

from __future__ import annotations

import re
from textwrap import fill

from pydantic.fields import FieldInfo

from napari_centermask.settings import (
    NETWORKS,
    AugmentSettings,
    InstanceLossSettings,
    LossSettings,
    PreprocessSettings,
    RegionSettings,
    SegmentSettings,
    Settings,
    TrainSettings,
)

_WIDE = 64  # characters of a line of a tooltip, which Qt does not wrap; a choice
_BOUNDS = ("ge", "gt", "le", "lt", "multiple_of")
_GROUPS: dict[str, tuple[type[Settings], ...]] = {
    "augment": (AugmentSettings,),
    "losses": (LossSettings,),
    "instance_losses": (InstanceLossSettings,),
    "model": tuple(NETWORKS.values()),
    "preprocess": (PreprocessSettings,),
    "regions": (RegionSettings,),
}
_NAME = re.compile(rf"\b(?:({'|'.join(_GROUPS)})\.)?([a-z]+(?:_[a-z]+)*)\b")


def label_of(field: FieldInfo) -> str:
    """The title of a field with its unit: "Tile side (px)"."""
    unit = shown_of(field, "unit")
    return f"{field.title} ({unit})" if unit else field.title or ""


def about(field: FieldInfo) -> str:
    """The description of a field, its range, and what 0 stands for, in lines that fit on a screen."""
    unit, zero = shown_of(field, "unit"), shown_of(field, "zero")
    lines = [field.description or ""]
    if limits := limits_of(field):
        lines.append(f"Range: {limits}." if shown_of(field, "range") or not unit else f"Range: {limits} {unit}.")
    if zero:
        lines.append(f"0: {zero}.")
    return "\n".join(fill(line, _WIDE, break_on_hyphens=False) for line in lines)


def limits_of(field: FieldInfo) -> str:
    """The range of a field, such as "1 to 100" or "above 0"; empty if it is not a number."""
    at = {name: getattr(part, name) for part in field.metadata for name in _BOUNDS if hasattr(part, name)}
    low = f"{at['ge']:,g}" if "ge" in at else f"above {at['gt']:,g}" if "gt" in at else ""
    high = f"{at['le']:,g}" if "le" in at else f"below {at['lt']:,g}" if "lt" in at else ""
    both = f"{low} to {high}" if low and high else f"{low} or more" if low and "ge" in at else low or high
    steps = f", in steps of {at['multiple_of']:,g}" if "multiple_of" in at else ""
    return shown_of(field, "range") or both + steps


def shown_of(field: FieldInfo, key: str) -> str:
    """What `settings.shown` says of a field under "unit", "zero" or "range"; empty for nothing."""
    extra = field.json_schema_extra
    return str(extra.get(key, "")) if isinstance(extra, dict) else ""


def in_titles(text: str) -> str:
    """A text in which settings have their names on the command line, such as "losses.focal is 0", with their titles instead."""
    return _NAME.sub(_titled, text)


def _titled(found: re.Match[str]) -> str:
    group, name = found.groups()
    if not group and "_" not in name:  # an ordinary word
        return found[0]
    kinds = _GROUPS[group] if group else (SegmentSettings, TrainSettings)
    field = next((kind.model_fields[name] for kind in kinds if name in kind.model_fields), None)
    return found[0] if field is None or not field.title else f"'{field.title}'"
