"""Several devices share the tiles of an image; here two workers on the CPU."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.engines.ensemble import Ensemble, place_of
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.runtime import devices_of, split_device
from napari_centermask.engines.several import segmenters_of, workers_of


def test_each_device_has_an_engine_and_the_cores_are_shared(nuclei, tiles):
    two = load_engine(nuclei, engine="openvino", device="cpu,cpu", batch=2)
    one = load_engine(nuclei, engine="openvino", device="cpu", threads=1)
    assert (two.name, two.device, two.batch, two.card) == ("openvino", "cpu,cpu", 2, nuclei.card)
    assert len({id(worker) for worker in workers_of(two)}) == 2
    assert workers_of(one) == (one,)
    np.testing.assert_allclose(two.features(tiles).logits, one.features(tiles).logits, atol=1e-3)


def test_models_of_an_ensemble_are_paired_by_device(nuclei):
    two = load_engine(nuclei, engine="openvino", device="cpu,cpu")
    both = segmenters_of(Ensemble((two, two)))
    assert [one.engines for one in both] == [(w, w) for w in two.engines]


def test_what_runs_names_a_precision_that_is_not_float32():
    plain = SimpleNamespace(device="cpu", precision="float32")
    short = SimpleNamespace(device="cpu", precision="bfloat16")
    assert [place_of(one) for one in (plain, short)] == ["cpu", "cpu, bfloat16"]


@pytest.mark.parametrize("text", ["", "cuda,", "auto,cpu"])
def test_lists_of_devices_that_say_nothing_are_refused(text):
    with pytest.raises(BadSettings, match="cuda:0,cuda:1"):
        devices_of(text)


def test_devices_have_numbers():
    assert devices_of("cuda:0, cuda:1") == ["cuda:0", "cuda:1"]
    assert [split_device(d) for d in ("cuda", "cuda:1", "cpu")] == [("cuda", 0), ("cuda", 1), ("cpu", 0)]
    with pytest.raises(BadSettings, match="end with a number"):
        split_device("cuda:x")
