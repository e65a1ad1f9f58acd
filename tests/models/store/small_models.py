"""Files of a small model: weights and graphs."""

import numpy as np
from safetensors.numpy import save_file

from napari_centermask.models.families import family_of
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings

SMALL = ModelSettings(fpn_channels=16, mask_channels=16, maskiou_channels=16, maskiou_fc=16)


def write_weights(path, **changes):
    card = ModelCard(**({"name": path.stem, "licence": "CC0-1.0", "model": SMALL, "diameter": 30.0} | changes))
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {k: np.zeros(s, np.float16) for k, s in family_of(SMALL).shapes(SMALL).items()}
    save_file(tensors, path, metadata={"card": card.to_json()})
    return path


def protobuf(number, payload):
    """One length-delimited protobuf field."""
    out, length = bytearray([number << 3 | 2]), len(payload)
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    return bytes(out) + bytes([length]) + payload


def write_graph(path, card, shapes):
    """A minimal ONNX file by hand: metadata and the inputs' shapes."""

    def value(name, shape):
        dims = b"".join(protobuf(1, b"\x08" + bytes([n])) for n in shape)
        return protobuf(11, protobuf(1, name.encode()) + protobuf(2, protobuf(1, b"\x08\x01" + protobuf(2, dims))))

    graph = protobuf(7, b"".join(value(n, s) for n, s in shapes.items()))
    meta = protobuf(14, protobuf(1, b"card") + protobuf(2, card.to_json().encode()))
    path.write_bytes(b"\x08\x0a" + graph + meta)
