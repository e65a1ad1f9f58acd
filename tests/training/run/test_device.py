"""The precision that a machine is given is one that its hardware has."""

import pytest
import torch

from napari_centermask.training.run.device import choose_precision


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_that_only_emulates_bf16_trains_in_fp16(monkeypatch, has_bf16, expected):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or has_bf16
    )
    assert choose_precision("auto", torch.device("cuda")) is expected
