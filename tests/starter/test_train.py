"""Training: every stage steps, and stopping changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from nodes.starter import weights_folder
from nodes.starter.anchor import Anchor, fit, load_or_fit
from nodes.starter.bpe import learn
from nodes.starter.networks import (
    Bundle,
    load_bundle,
    new_text,
    new_unet,
    new_vae,
    predict,
    save_bundle,
    save_tokenizer,
    to_pixels,
    token_ids,
)
from nodes.starter.scenes import draw, random_scene
from nodes.starter.stage_text import Layout, TextStage
from nodes.starter.stage_unet import UnetStage
from nodes.starter.stage_vae import VaeStage
from nodes.starter.train import GateMissedError, Lengths, train
from nodes.starter.training import Setup, Stage, learning_rate, run

NewStage = Callable[[Setup], Stage]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def anchor() -> Anchor:
    return fit(count=200)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    return learn(tmp_path_factory.mktemp("tokenizer"), captions=300)


@pytest.fixture(params=["vae", "text", "unet"])
def new_stage(request: pytest.FixtureRequest, anchor: Anchor, tokenizer: CLIPTokenizer) -> NewStage:
    def unet(setup: Setup) -> Stage:
        torch.manual_seed(0)
        return UnetStage(setup, anchor, tokenizer, new_text(tokenizer), Layout())

    stages: dict[str, NewStage] = {
        "vae": lambda setup: VaeStage(setup, anchor),
        "text": lambda setup: TextStage(setup, anchor, tokenizer),
        "unet": unet,
    }
    return stages[request.param]


def setup_in(folder: Path) -> Setup:
    return Setup(folder, torch.device("cpu"), batch=2)


def tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield from tensors(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)


def weights(state: Any) -> Iterator[torch.Tensor]:
    """The networks in a stage's state."""
    networks = [state[key] for key in ("vae", "both", "all") if key in state]
    return (tensor.detach().float() for tensor in tensors(networks) if tensor.is_floating_point())


def test_stopped_and_resumed_gives_the_same_weights(new_stage: NewStage, tmp_path: Path) -> None:
    through, broken = setup_in(tmp_path / "through"), setup_in(tmp_path / "broken")
    whole = new_stage(through)
    start = [tensor.clone() for tensor in weights(whole.state())]
    run(whole, through, 2)
    run(new_stage(broken), broken, 2, stop_at=1)
    resumed = new_stage(broken)
    run(resumed, broken, 2)
    ends, again = list(weights(whole.state())), list(weights(resumed.state()))
    assert len(ends) == len(again) > 50
    travelled = sum((end - begin).square().sum().item() for begin, end in zip(start, ends, strict=False))
    apart = sum((one - other).square().sum().item() for one, other in zip(ends, again, strict=True))
    # Usually bit-equal. A bf16 sum may round otherwise when its buffers lie elsewhere, and an optimizer's first steps
    # turn that into whole steps of a few weights; a forgotten moment or random state is apart by what was travelled.
    assert travelled > 0
    assert apart <= 0.05**2 * travelled


def test_a_finished_stage_does_nothing_more(anchor: Anchor, tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    run(VaeStage(setup, anchor), setup, 1)
    written = (tmp_path / "vae.pt").stat().st_mtime_ns
    run(VaeStage(setup, anchor), setup, 1)
    assert (tmp_path / "vae.pt").stat().st_mtime_ns == written


def test_all_stages_make_a_bundle_that_loads(anchor: Anchor, tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    np.savez(tmp_path / "anchor.npz", mean=anchor.mean, weights=anchor.weights)
    save_tokenizer(tokenizer, tmp_path / "tokenizer")
    with pytest.raises(GateMissedError, match="--vae-steps"):
        train(setup_in(tmp_path), Lengths(1, 1, 1), judged_on=4)
    bundle = train(setup_in(tmp_path), Lengths(1, 1, 1), gate=0.0, judged_on=4)
    save_bundle(bundle, tmp_path / "weights")
    again = load_bundle(tmp_path / "weights")
    for part in ("unet", "vae", "text"):
        ours, theirs = getattr(bundle, part).state_dict(), getattr(again, part).state_dict()
        assert all(torch.equal(ours[key].half().float(), theirs[key]) for key in ours)


def test_training_goes_on_from_a_bundle(anchor: Anchor, tmp_path: Path) -> None:
    np.savez(tmp_path / "anchor.npz", mean=anchor.mean, weights=anchor.weights)
    shipped = load_bundle(weights_folder())
    bundle = train(setup_in(tmp_path), Lengths(0, 0, 0), going_on_from=weights_folder(), gate=0.0, judged_on=4)
    for part in ("unet", "vae", "text"):
        ours, theirs = getattr(bundle, part).state_dict(), getattr(shipped, part).state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_the_learning_rate_rises_stays_and_falls() -> None:
    rates = [learning_rate(step, 1000) for step in range(1000)]
    assert rates[0] < 0.05
    assert rates[300] == 1
    assert rates[-1] < 0.05
    assert rates[60:600] == [1.0] * 540


def test_the_anchor_tells_colors_apart_and_is_kept(anchor: Anchor, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pictures = np.stack([draw(random_scene(rng)) for _ in range(64)])
    np.savez(tmp_path / "anchor.npz", mean=anchor.mean, weights=anchor.weights)
    latents = anchor.latents(pictures)
    assert latents.shape == (64, 4, 16, 16)
    assert 0.6 < latents.std() < 1.5
    assert torch.equal(load_or_fit(tmp_path / "anchor.npz").latents(pictures), latents)
    patch = torch.from_numpy(anchor.weights)
    back = (patch * torch.linalg.pinv(patch).T).sum(0)
    assert torch.allclose(back, torch.ones(4), atol=1e-4)


def test_known_words_are_one_token_and_any_text_is_written(tokenizer: CLIPTokenizer) -> None:
    ids = token_ids(tokenizer, ["an orange circle", "", "Zürich 東京 🙂 <x>"])
    assert ids.shape == (3, 77)
    assert ids[0, 0] == tokenizer.bos_token_id
    assert ids[0, 4:].tolist() == [tokenizer.eos_token_id] * 73
    assert ids[1, 1:].tolist() == [tokenizer.eos_token_id] * 76
    assert "東京" in tokenizer.decode(ids[2])


def test_networks_have_the_layout_of_stable_diffusion(tokenizer: CLIPTokenizer) -> None:
    bundle = Bundle(new_unet(), new_vae(), new_text(tokenizer), tokenizer)
    hidden = bundle.text(input_ids=token_ids(tokenizer, ["a star"])).last_hidden_state
    v = predict(bundle.unet, torch.zeros(1, 4, 16, 16), torch.tensor(500), hidden)
    assert v.shape == (1, 4, 16, 16)
    assert to_pixels(bundle.vae, v).shape == (1, 3, 128, 128)
