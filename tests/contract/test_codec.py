"""Results survive the disk as they were, and nothing else can come out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodes import codec, types
from nodes.define import Saved, Shown

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_values_come_back(value: Any) -> None:
    data = codec.encode(value)
    assert data is not None
    assert codec.decode(data) == value


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_come_back_bit_for_bit(dtype: torch.dtype) -> None:
    tensor = (torch.randn(2, 3, 4, 4) * 10).to(dtype)
    shared = tensor.permute(0, 2, 3, 1)
    back = codec.decode(codec.encode([tensor, shared]) or b"")
    assert back[0].dtype == dtype
    assert torch.equal(back[0], tensor)
    assert torch.equal(back[1], shared)


def test_our_types_come_back() -> None:
    tokens, pooled, mask = torch.randn(1, 77, 8), torch.randn(1, 8), torch.rand(1, 1, 4, 4)
    cond = types.Cond(tokens, pooled, area=types.Area(1, 2, 3, 4), extras={"guidance": 3.5})
    value = ([types.Latent(torch.zeros(1, 4, 2, 2), mask, (3,))], [types.Conditioning((cond,))])
    latents, conditionings = codec.decode(codec.encode(value) or b"")
    assert torch.equal(latents[0].noise_mask, mask)
    assert latents[0].batch_index == (3,)
    (back,) = conditionings[0].parts
    assert torch.equal(back.tokens, tokens)
    assert (back.area, back.extras) == (cond.area, cond.extras)
    shown = Shown.images([Saved("a.png", "sub", "temp")])
    assert codec.decode(codec.encode(shown) or b"") == shown
    source = types.Vae(types.Source(Path("m.safetensors"), "ab", "vae"))
    assert codec.decode(codec.encode(source) or b"") == source


@pytest.mark.parametrize("value", [object(), {1: 2}, torch.nn.Linear(1, 1), types.Model, [{3}]])
def test_what_cannot_be_read_back_is_not_stored(value: Any) -> None:
    assert codec.encode(value) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 8,
        b"\xff" * 64,
        b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
        (codec.encode([torch.zeros(64)]) or b"")[:-8],
        (codec.encode({"a": 1}) or b"").replace(b"dict", b"exec"),
    ],
    ids=["empty", "zeros", "ones", "no tree", "cut", "unknown tag"],
)
def test_damage_is_told(data: bytes) -> None:
    with pytest.raises(codec.DamagedResult):
        codec.decode(data)


def test_a_tensor_counts_once() -> None:
    tensor = torch.zeros(1000)
    assert 4000 <= codec.size([tensor, tensor, types.Sigmas(tensor)]) < 5000
