"""ControlNet nodes: hints on conditionings."""

from __future__ import annotations

from pathlib import Path

import torch

from nodes import controlnet
from nodes.types import Cond, Conditioning, ControlNet, Image, Source, Vae

NET = ControlNet(Source(Path("net.safetensors"), "0" * 64, "controlnet", "sd15"))
PICTURE = Image(torch.rand((1, 8, 8, 3), generator=torch.Generator().manual_seed(0)))


def prompt(count: int = 1) -> Conditioning:
    return Conditioning(tuple(Cond(torch.zeros(1, 77, 8)) for _ in range(count)))


def test_both_sides_share_one_hint() -> None:
    got = controlnet.apply_advanced(
        positive=prompt(2),
        negative=prompt(),
        control_net=NET,
        image=PICTURE,
        strength=0.5,
        start_percent=0.1,
        end_percent=0.8,
    )

    hints = [hint for side in got for part in side for hint in part.controls]
    assert len(hints) == 3
    assert all(hint is hints[0] for hint in hints)
    assert (hints[0].net, hints[0].strength) == (NET, 0.5)
    assert (hints[0].start_percent, hints[0].end_percent) == (0.1, 0.8)
    assert hints[0].image is PICTURE.pixels


def test_nets_stack() -> None:
    once = controlnet.apply_advanced(positive=prompt(), negative=prompt(), control_net=NET, image=PICTURE)
    twice = controlnet.apply_advanced(
        positive=once.positive, negative=once.negative, control_net=NET, image=PICTURE, strength=0.3
    )

    assert [hint.strength for hint in twice.positive.parts[0].controls] == [1.0, 0.3]
    assert len(once.positive.parts[0].controls) == 1


def test_a_strength_of_zero_changes_nothing() -> None:
    a, b = prompt(), prompt()

    assert controlnet.apply(conditioning=a, control_net=NET, image=PICTURE, strength=0.0) is a
    got = controlnet.apply_advanced(positive=a, negative=b, control_net=NET, image=PICTURE, strength=0.0)
    assert got == (a, b)


def test_the_old_node_acts_on_the_negative_side_too() -> None:
    got = controlnet.apply(conditioning=prompt(2), control_net=NET, image=PICTURE)

    assert all(part.extras["control_apply_to_uncond"] for part in got)
    assert got.parts[0].controls[0] is got.parts[1].controls[0]


def test_a_union_nets_type_is_part_of_its_handle() -> None:
    depth = controlnet.set_union_type(control_net=NET, type="depth")
    tile = controlnet.set_union_type(control_net=depth, type="tile")

    assert NET.options == ()
    assert tile.options == (("union_type", "tile"),)
    assert tile != depth


def test_the_node_with_a_vae_is_the_same_with_a_vae() -> None:
    a, b, seen = prompt(), prompt(), Vae(Source(Path("vae.safetensors"), "1" * 64, "vae"))

    got = controlnet.apply_with_vae(positive=a, negative=b, control_net=NET, vae=seen, image=PICTURE, strength=0.5)

    (hint,), (other,) = (side.parts[0].controls for side in got)
    assert hint is other
    assert (hint.vae, hint.strength) == (seen, 0.5)
