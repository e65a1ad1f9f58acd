"""Give a safetensors file another card; its weights stay, and so does the hash by which models that come from it know it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from napari_centermask.core.errors import BadModel
from napari_centermask.io.files import sha256_of
from napari_centermask.io.whole_file import whole_file
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.headers import CARD_KEY, read_safetensors

FIRST_HASH = "sha256"
"""In the metadata beside the card: the hash that the file had with its first card. A file that is saved anew has none."""
_ALIGNED = 8  # bytes: safetensors pads its header so that the data begin at a multiple
_LENGTH = 8  # bytes: the number in front of the header


def replace_card(path: Path, card: ModelCard) -> None:
    """Write another card into a file, whole or not at all.

    Raises
    ------
    BadModel
        If the file is no complete safetensors file.
    CannotSave
        If it cannot be written.
    """
    metadata = read_safetensors(path).metadata
    metadata |= {CARD_KEY: card.to_json(), FIRST_HASH: first_hash(path)}
    with whole_file(path) as part, path.open("rb") as old, part.open("wb") as new:  # Windows renames closed files only
        header = json.loads(old.read(int.from_bytes(old.read(_LENGTH), "little")))
        text = json.dumps(header | {"__metadata__": metadata}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _ALIGNED)
        new.write(len(text).to_bytes(_LENGTH, "little") + text)
        shutil.copyfileobj(old, new)


def first_hash(path: Path) -> str:
    """SHA-256 of a file, hex, as it was before its card was replaced; of the file itself if it never was."""
    try:
        known = read_safetensors(path).metadata.get(FIRST_HASH)
    except BadModel:
        known = None
    return known if isinstance(known, str) and re.fullmatch("[0-9a-f]{64}", known) else sha256_of(path)
