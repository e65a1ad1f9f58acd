"""The parts of the whole detector that are no network, in ONNX's text format: what comes before, and from locations to boxes."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.normalise import CLIP, SAMPLE
from napari_centermask.engines.decode import REACH
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline.model_input import ALIGN, LEAST
from napari_centermask.pipeline.segmentation import with_card_defaults
from napari_centermask.settings import SegmentSettings

OPTIONS = ("score", "nms", "max_detections")
"""Optional inputs of the whole detector; their defaults are those of the model."""
_MOST = 1000
"""Default of `max_detections` for each image: a choice; the mask head needs 0.2 GB for as many cells."""

_SAMPLED = """
  n_pixels = ReduceProd <keepdims = 0> (size)
  n_double = Cast <to = 11> (n_pixels)
  ratio = Div (n_double, sample)
  root = Sqrt (ratio)
  root_up = Ceil (root)
  wanted_step = Cast <to = 7> (root_up)
  step = Max (wanted_step, ones)
  steps = Concat <axis = 0> (step, step)
  sampled = Slice (image, starts, ends, plane_axes, steps)
  flat_shape = Constant <value_ints = [0, 0, -1]> ()
  flat = Reshape (sampled, flat_shape)
"""
"""Every n-th pixel, as in `core.normalise.intensity_range`."""

_PERCENTILES = """
  count = Shape <start = 2> (flat)
  sorted, order = TopK <axis = 2, largest = 0> (flat, count)
  last = Sub (count, ones)
  last_double = Cast <to = 11> (last)
  position = Mul (fractions, last_double)
  below_double = Floor (position)
  below = Cast <to = 7> (below_double)
  next = Add (below, ones)
  above = Min (next, last)
  part_double = Sub (position, below_double)
  part = Cast <to = 1> (part_double)
  low = Gather <axis = 2> (sorted, below)
  high = Gather <axis = 2> (sorted, above)
  rise = Sub (high, low)
  rise_part = Mul (rise, part)
  both_ends = Add (low, rise_part)
  low_end, high_end = Split <axis = 2, num_outputs = 2> (both_ends)
  darkest = ReduceMin (flat, last_axis)
  brightest = ReduceMax (flat, last_axis)
  has_range = Greater (high_end, low_end)
  lo = Where (has_range, low_end, darkest)
  hi = Where (has_range, high_end, brightest)
"""

_ZSCORES = """
  mean_value = ReduceMean (flat, last_axis)
  centred = Sub (flat, mean_value)
  squared = Mul (centred, centred)
  variance = ReduceMean (squared, last_axis)
  spread = Sqrt (variance)
  three = Constant <value_float = 3.0> ()
  spread_3 = Mul (spread, three)
  lo = Sub (mean_value, spread)
  hi = Add (mean_value, spread_3)
"""

_BYTES = """
  lo = Constant <value = float[1,1,1] {0.0}> ()
  hi = Constant <value = float[1,1,1] {255.0}> ()
"""

_NORMALISED = """
  span = Sub (hi, lo)
  is_usable = Greater (span, tiny)
  unit = Constant <value_float = 1.0> ()
  nothing = Constant <value_float = 0.0> ()
  safe_span = Where (is_usable, span, unit)
  inverse = Div (unit, safe_span)
  factor = Where (is_usable, inverse, nothing)
  lo_plane = Unsqueeze (lo, plane_axis)
  factor_plane = Unsqueeze (factor, plane_axis)
  above_lo = Sub (image, lo_plane)
  scaled = Mul (above_lo, factor_plane)
  clipped = Clip (scaled, least, most)
"""

_MIRRORED = """
  {side} = Gather (size, {number})
  {side}_end = Gather (padded, {number})
  {side}_all = Range (zero, {side}_end, one)
  {side}_period = Add ({side}, {side})
  {side}_there = Mod ({side}_all, {side}_period)
  {side}_top = Sub ({side}_period, one)
  {side}_back = Sub ({side}_top, {side}_there)
  {side}_index = Min ({side}_there, {side}_back)
  {after} = Gather <axis = {axis}> ({before}, {side}_index)
"""
"""Padding by mirrored copies, as numpy's "symmetric": of the tile's rows or columns, those of the image."""

_ZEROS = """
  missing = Sub (padded, size)
  no_padding = Constant <value_ints = [0, 0, 0, 0, 0, 0]> ()
  pads = Concat <axis = 0> (no_padding, missing)
  tile = Pad (standard, pads)
"""


def prepare_text(card: ModelCard) -> str:
    """A graph from intensities to the network's input: `pipeline.model_input` at the model's own scale.

    Inputs and outputs are `image` (B, C, H, W) float32 of any intensities, which must be finite; `tile`, normalised and padded;
    `size` and `padded`, (2,) int64 height and width of both; `area` (1,) float32 pixels of the tile.
    """
    is_reference = card.normalisation == "reference"
    ends = _BYTES if is_reference else _SAMPLED + (_ZSCORES if card.normalisation == "zscore" else _PERCENTILES)
    mirrored = [
        _MIRRORED.format(side="rows", number="zero", axis=2, before="standard", after="with_rows"),
        _MIRRORED.format(side="columns", number="one", axis=3, before="with_rows", after="tile"),
    ]
    low, high = (part / 100 for part in card.percentiles)
    least, most = (0.0, 1.0) if is_reference else CLIP
    return f"""
prepare (float[batch, {card.model.in_channels}, height, width] image)
  => (float[batch, {card.model.in_channels}, rows, columns] tile, int64[2] size, int64[2] padded, float[1] area)
<int64 zero = {{0}}, int64 one = {{1}}, int64[1] ones = {{1}}, int64[2] starts = {{0, 0}},
  int64[2] ends = {{{np.iinfo(np.int64).max}, {np.iinfo(np.int64).max}}}, int64[2] plane_axes = {{2, 3}},
  int64[1] last_axis = {{2}}, int64[1] plane_axis = {{3}}, double[1] sample = {{{float(SAMPLE)}}},
  double[2] fractions = {{{low!r}, {high!r}}}, float tiny = {{{float(np.finfo(np.float32).tiny)!r}}},
  float least = {{{least}}}, float most = {{{most}}}, int64 less = {{{ALIGN - 1}}}, int64 align = {{{ALIGN}}},
  int64 smallest = {{{LEAST}}}, int64[1] flat_area = {{1}}>
{{
  size = Shape <start = 2> (image)
  size_more = Add (size, less)
  size_steps = Div (size_more, align)
  size_up = Mul (size_steps, align)
  padded = Max (size_up, smallest)
{ends}{_NORMALISED}{_standard(card)}{_ZEROS if is_reference else "".join(mirrored)}
  n_tile = ReduceProd <keepdims = 0> (padded)
  n_tile_float = Cast <to = 1> (n_tile)
  area = Reshape (n_tile_float, flat_area)
}}
"""


def _standard(card: ModelCard) -> str:
    """Subtract the card's mean and divide by its standard deviation; for the reference, blue comes first, up to 255."""
    is_reference, n = card.normalisation == "reference", card.model.in_channels
    order = range(n - 1, -1, -1) if is_reference and n == 3 else range(n)
    mean, std, factor = _floats(card.mean), _floats(card.std), 255.0 if is_reference else 1.0
    return f"""
  order_of_channels = Constant <value_ints = [{", ".join(map(str, order))}]> ()
  ordered = Gather <axis = 1> (clipped, order_of_channels)
  top = Constant <value_float = {factor}> ()
  enlarged = Mul (ordered, top)
  mean = Constant <value = float[1,{len(card.mean)},1,1] {{{mean}}}> ()
  std = Constant <value = float[1,{len(card.std)},1,1] {{{std}}}> ()
  shifted = Sub (enlarged, mean)
  standard = Div (shifted, std)
"""


def _floats(values: list[float]) -> str:
    return ", ".join(repr(float(value)) for value in values)


_LEVEL = """
  before_{stride} = Constant <value_int = {before}> ()
  stride_{stride} = Constant <value_int = {stride}> ()
  half_{stride} = Constant <value_int = {half}> ()
  padded_{stride} = Add (padded, before_{stride})
  shape_{stride} = Div (padded_{stride}, stride_{stride})
  h_{stride} = Gather (shape_{stride}, zero)
  w_{stride} = Gather (shape_{stride}, one)
  y_{stride} = Range (zero, h_{stride}, one)
  x_{stride} = Range (zero, w_{stride}, one)
  column_{stride} = Unsqueeze (y_{stride}, ones)
  row_{stride} = Unsqueeze (x_{stride}, zeros)
  grid_y_{stride} = Expand (column_{stride}, shape_{stride})
  grid_x_{stride} = Expand (row_{stride}, shape_{stride})
  list_y_{stride} = Reshape (grid_y_{stride}, as_column)
  list_x_{stride} = Reshape (grid_x_{stride}, as_column)
  index_{stride} = Concat <axis = 1> (list_x_{stride}, list_y_{stride})
  far_{stride} = Mul (index_{stride}, stride_{stride})
  xy_{stride} = Add (far_{stride}, half_{stride})
"""
"""The centres of a level's locations, as `engines.decode.locations`."""


def decode_text(card: ModelCard) -> str:
    """A graph from the dense outputs to boxes without duplicates: `engines.decode.detect`, and no boxes in the padding.

    The defaults of its optional inputs `score`, `nms` and `max_detections` are those of the model.
    """
    settings, n = with_card_defaults(SegmentSettings(), card), len(card.model.categories)
    levels = "".join(_LEVEL.format(stride=s, before=s - 1, half=s // 2) for s in card.strides)
    most = settings.max_detections or _MOST
    quality = "Sigmoid (centerness)" if card.rates_boxes else "Identity (chance)"
    return f"""
decode (float[batch, locations, {n}] logits, float[batch, locations, 4] ltrb, float[batch, locations] centerness,
    int64[2] size, int64[2] padded, float score = {{{settings.score!r}}}, float nms = {{{settings.nms!r}}},
    int64 max_detections = {{{most}}})
  => (float[cells, 4] boxes, float[cells] scores, int64[cells] indices, int64[cells] classes, int64[cells] image_index,
    float[cells, 5] rois)
<int64 zero = {{0}}, int64 one = {{1}}, int64[1] zeros = {{0}}, int64[1] ones = {{1}}, int64[1] last_axis = {{2}},
  int64[2] as_column = {{-1, 1}}, float[4] signs = {{-1.0, -1.0, 1.0, 1.0}}, int64[2] tile_and_location = {{0, 2}},
  int64[2] swapped = {{1, 0}}, float nothing = {{0.0}}, int64 reach = {{{REACH}}}>
{{{levels}
  centres_whole = Concat <axis = 0> ({", ".join(f"xy_{s}" for s in card.strides)})
  centres = Cast <to = 1> (centres_whole)
  corners = Concat <axis = 1> (centres, centres)
  longest = ReduceMax <keepdims = 0> (padded)
  farthest = Mul (longest, reach)
  farthest_float = Cast <to = 1> (farthest)
  bounded = Min (ltrb, farthest_float)
  signed = Mul (bounded, signs)
  all_boxes = Add (corners, signed)
  chances = Sigmoid (logits)
  chance = ReduceMax <keepdims = 0> (chances, last_axis)
  kinds = ArgMax <axis = 2, keepdims = 0> (logits)
  quality = {quality}
  product = Mul (chance, quality)
  all_scores = Sqrt (product)
  scores_of_one = Unsqueeze (all_scores, ones)
  found = NonMaxSuppression (all_boxes, scores_of_one, max_detections, nms, score)
  where = Gather <axis = 1> (found, tile_and_location)
  found_boxes = GatherND (all_boxes, where)
  first, second = Split <axis = 1, num_outputs = 2> (found_boxes)
  width_height = Gather (size, swapped)
  limits = Cast <to = 1> (width_height)
  first_seen = Max (first, nothing)
  last_seen = Min (second, limits)
  is_inside = Less (first_seen, last_seen)
  inside = Cast <to = 6> (is_inside)
  both = ReduceMin <keepdims = 0> (inside, ones)
  is_kept = Cast <to = 9> (both)
  kept = Compress <axis = 0> (where, is_kept)
  boxes = GatherND (all_boxes, kept)
  scores = GatherND (all_scores, kept)
  indices = GatherND (kinds, kept)
  classes = Add (indices, one)
  image_column = Gather <axis = 1> (kept, zeros)
  image_index = Squeeze (image_column, ones)
  image_float = Cast <to = 1> (image_column)
  rois = Concat <axis = 1> (image_float, boxes)
}}
"""
