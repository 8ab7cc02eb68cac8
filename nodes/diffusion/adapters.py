"""What LoRAs and their kin do to a weight: low-rank sums, products, rotations; each from the tensors of its group."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch

from nodes.diffusion.patches import LowRank

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.diffusion.patches import Edit

    Make = Callable[[Mapping[str, Tensor], Tensor], tuple[Tensor, int]]
    """From a group's tensors and the weight: the unscaled difference, and the rank that alpha is divided by."""

Shape = tuple[int, ...]


def adding(delta: Tensor, strength: float) -> Edit:
    """The edit that adds a difference."""
    return lambda weight: weight + strength * delta.to(weight).reshape(weight.shape)


def editing(tensors: Mapping[str, Tensor], strength: float) -> Edit:
    """What a group's tensors do to a weight at this strength."""
    if (whole := tensors.get("set_weight")) is not None:
        return lambda weight: whole.to(weight).reshape(weight.shape)
    if "oft_blocks" in tensors:
        return lambda weight: _rotated({k: t.to(weight) for k, t in tensors.items()}, weight, strength)
    dora, alpha = tensors.get("dora_scale"), tensors.get("alpha")
    if dora is None and "up" in tensors and "mid" not in tensors:
        up, down = tensors["up"].flatten(1), tensors["down"].flatten(1)
        return LowRank(up, down, strength * (1.0 if alpha is None else float(alpha) / len(down)))

    def edit(weight: Tensor) -> Tensor:
        here = {leaf: tensor.to(weight) for leaf, tensor in tensors.items() if leaf != "alpha"}
        delta, rank = _delta(here, weight)
        scale = float(alpha) / rank if alpha is not None and rank else 1.0
        if dora is None:
            return weight + (strength * scale) * delta
        return weight + strength * (_decomposed(weight + scale * delta, here["dora_scale"]) - weight)

    return edit


def fits(leaves: Mapping[str, Shape], weight: Shape) -> bool:
    """Whether a group of tensors of these shapes is made for a weight of this one, as far as the shapes say."""
    out, into = weight[0], math.prod(weight[1:])
    if "up" in leaves and "down" in leaves:
        return leaves["up"][0] == out and len(weight) > 1 and leaves["down"][1] == weight[1]
    for name in ("diff", "set_weight"):
        if name in leaves:
            return math.prod(leaves[name]) == out * into
    if "oft_blocks" in leaves:
        *_, count, size, _ = leaves["oft_blocks"]
        return count * size == out
    if "hada_w1_a" in leaves and "hada_t1" not in leaves:
        return leaves["hada_w1_a"][0] == out and leaves["hada_w1_b"][1] == into
    if "b1" in leaves and "b2" in leaves:
        last, first = ("b1", "b2") if leaves["b1"][0] == out else ("b2", "b1")
        return leaves[last][0] == out and math.prod(leaves[first][1:]) == into
    if "lokr_w1" in leaves or "lokr_w1_a" in leaves:
        first, second = (_outer(leaves, i) for i in (1, 2))
        return first[0] * second[0] == out and first[1] * second[1] == into
    return True


def _outer(leaves: Mapping[str, Shape], i: int) -> tuple[int, int]:
    """(rows, columns) of one of LoKr's factors."""
    if whole := leaves.get(f"lokr_w{i}"):
        return whole[0], math.prod(whole[1:])
    a, b = leaves[f"lokr_w{i}_a"], leaves[f"lokr_w{i}_b"]
    core = leaves.get("lokr_t2") if i == 2 else None
    # With a core both factors are [rank, side].
    return (a[1], b[1] * math.prod(core[2:])) if core else (a[0], math.prod(b[1:]))


def _delta(t: Mapping[str, Tensor], weight: Tensor) -> tuple[Tensor, int]:
    """The unscaled difference in the weight's shape, and the rank that alpha is divided by (0: none)."""
    for kind, make in _KINDS:
        if kind in t:
            delta, rank = make(t, weight)
            return delta.reshape(weight.shape), rank
    return torch.zeros_like(weight), 0


def _plain(t: Mapping[str, Tensor], _weight: Tensor) -> tuple[Tensor, int]:
    up, down = t["up"], t["down"]
    rank = down.shape[0]
    if (mid := t.get("mid")) is not None:
        # A convolution factored in three: 1x1 down, k x k in between, 1x1 up.
        return torch.einsum("or,rskl,si->oikl", up.flatten(1), mid, down.flatten(1)), rank
    return up.flatten(1) @ down.flatten(1), rank


def _hadamard(t: Mapping[str, Tensor], _weight: Tensor) -> tuple[Tensor, int]:
    """LoHa: the product, element by element, of two low-rank matrices (Hyeon-Woo et al. 2021, arXiv:2108.06098)."""
    factors = [_rebuilt(t.get(f"hada_t{i}"), t[f"hada_w{i}_a"], t[f"hada_w{i}_b"]) for i in (1, 2)]
    return factors[0] * factors[1], t["hada_w1_b"].shape[0]


def _kronecker(t: Mapping[str, Tensor], _weight: Tensor) -> tuple[Tensor, int]:
    """LoKr: a Kronecker product whose factors may themselves be of low rank."""
    rank = 0
    factors: list[Tensor] = []
    for i in (1, 2):
        if (whole := t.get(f"lokr_w{i}")) is not None:
            factors.append(whole)
            continue
        a, b = t[f"lokr_w{i}_a"], t[f"lokr_w{i}_b"]
        rank = b.shape[0]
        factors.append(_rebuilt(t.get("lokr_t2") if i == 2 else None, a, b))
    first, second = factors
    if second.ndim == 4:
        first = first[:, :, None, None]
    return torch.kron(first, second.contiguous()), rank


def _rebuilt(core: Tensor | None, a: Tensor, b: Tensor) -> Tensor:
    """a @ b, or the Tucker product with a convolution's core."""
    return a @ b if core is None else torch.einsum("ijkl,jr,ip->prkl", core, b, a)


def _generalized(t: Mapping[str, Tensor], weight: Tensor) -> tuple[Tensor, int]:
    """GLoRA: a low-rank sum, and the weight itself through a low-rank map of its inputs (arXiv:2306.07967)."""
    a1, a2, b1, b2 = (t[name].flatten(1) for name in ("a1", "a2", "b1", "b2"))
    if a1.shape[0] != weight.shape[1]:  # the first release wrote every factor the other way round
        a1, a2, b1, b2 = a2, a1, b2, b1
    through = torch.einsum("oi...,ij->oj...", weight, a1 @ a2)
    return through.flatten(1) + b1 @ b2, a1.shape[1]


def _whole(t: Mapping[str, Tensor], _weight: Tensor) -> tuple[Tensor, int]:
    return t["diff"], 0


_KINDS: tuple[tuple[str, Make], ...] = (
    ("up", _plain),
    ("hada_w1_a", _hadamard),
    ("lokr_w1", _kronecker),
    ("lokr_w1_a", _kronecker),
    ("b1", _generalized),
    ("diff", _whole),
)


def _decomposed(changed: Tensor, magnitude: Tensor) -> Tensor:
    """The changed weight with the lengths that DoRA learned for its rows or columns (Liu et al., arXiv:2402.09353)."""
    flat = magnitude.flatten()
    axis = 0 if magnitude.shape[0] == changed.shape[0] else 1
    rows = changed.transpose(0, axis)
    shape = (len(rows), *[1] * (changed.ndim - 1))
    lengths = rows.flatten(1).norm(dim=1) + torch.finfo(torch.float32).eps
    return (rows * (flat / lengths).reshape(shape)).transpose(0, axis)


def _rotated(t: Mapping[str, Tensor], weight: Tensor, strength: float) -> Tensor:
    """OFT (arXiv:2306.07280) turns the weight's outputs in blocks, BOFT (arXiv:2311.06243) in several such rounds."""
    turns = _turns(t["oft_blocks"], float(t["alpha"]) if "alpha" in t else 0.0)
    rescale = t.get("rescale")
    if turns.ndim == 3:
        turned = _in_blocks(turns.transpose(-1, -2), weight)
        return weight + strength * ((turned if rescale is None else turned * rescale) - weight)
    same = torch.eye(turns.shape[-1], device=weight.device)
    turned = weight
    for i, blocks in enumerate(turns):
        partial = blocks * strength + same * (1.0 - strength)
        order = _butterfly(len(weight), turns.shape[-1], i).to(weight.device)
        turned = torch.empty_like(weight).index_copy_(0, order, _in_blocks(partial, turned[order]))
    return turned if rescale is None else turned * (1.0 + strength * (rescale - 1.0))


def _turns(blocks: Tensor, limit: float) -> Tensor:
    """The rotations that skew-symmetric generators stand for (Cayley), the generators kept to a norm of `limit`."""
    skew = blocks - blocks.transpose(-1, -2)
    norm = float(skew.norm()) + 1e-8
    if 0 < limit < norm:
        skew = skew * (limit / norm)
    same = torch.eye(skew.shape[-1], device=skew.device)
    # (1 + Q)(1 - Q)^-1; the two commute.
    return torch.linalg.solve(same - skew, same + skew)


def _in_blocks(blocks: Tensor, weight: Tensor) -> Tensor:
    """Each block [n,n] on its n rows of the weight."""
    rows = weight.reshape(len(blocks), blocks.shape[-1], -1)
    return (blocks @ rows).reshape(weight.shape)


def _butterfly(rows: int, size: int, level: int) -> Tensor:
    """Which rows meet in the blocks of a level: pairs of half blocks that are 2^level half blocks apart."""
    half = 2**level * (size // 2)
    # Rows are counted as [group, one of two, place in the half]; each place meets its counterpart.
    return torch.arange(rows).reshape(-1, 2, half).transpose(1, 2).reshape(-1)
