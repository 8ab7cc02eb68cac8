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
from nodes.starter.anchor import Anchor, fit, load_or_fit, pixels
from nodes.starter.bpe import learn
from nodes.starter.networks import (
    Bundle,
    load_bundle,
    new_text,
    new_unet,
    new_vae,
    predict,
    save_tokenizer,
    to_pixels,
    token_ids,
)
from nodes.starter.stage_control import ControlStage
from nodes.starter.stage_decoder import DecoderStage
from nodes.starter.stage_lora import LESSONS, Lesson, LoraStage
from nodes.starter.stage_reader import ReaderStage
from nodes.starter.stage_text import Layout, TextStage
from nodes.starter.stage_unet import UnetStage
from nodes.starter.stage_upscaler import UpscalerStage
from nodes.starter.stage_vae import VaeStage
from nodes.starter.train import GateMissedError, Lengths, train
from nodes.starter.training import Setup, Stage, learning_rate, run
from nodes.starter.world import TALL, WIDE, drawings

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


@pytest.fixture(
    params=["vae", "text", "unet", "reader", "sfumato-blueprint", "sfumato-heart", "control", "decoder", "upscaler"]
)
def new_stage(request: pytest.FixtureRequest, anchor: Anchor, tokenizer: CLIPTokenizer) -> NewStage:
    def unet(setup: Setup) -> Stage:
        torch.manual_seed(0)
        return UnetStage(setup, anchor, tokenizer, new_text(tokenizer), Layout())

    def bundle() -> Bundle:
        torch.manual_seed(0)
        return Bundle(new_unet(), new_vae(), new_text(tokenizer), tokenizer)

    def lora(lesson: Lesson) -> NewStage:
        return lambda setup: LoraStage(setup, anchor, bundle(), lesson)

    stages: dict[str, NewStage] = {
        **{lesson.name: lora(lesson) for lesson in LESSONS},
        "reader": ReaderStage,
        "control": lambda setup: ControlStage(setup, anchor, bundle()),
        "decoder": lambda setup: DecoderStage(setup, anchor, bundle().vae),
        "upscaler": lambda setup: UpscalerStage(setup, anchor, bundle().vae),
        "vae": lambda setup: VaeStage(setup, anchor),
        "text": lambda setup: TextStage(setup, anchor, tokenizer),
        "unet": unet,
    }
    return stages[request.param]


def setup_in(folder: Path) -> Setup:
    return Setup(folder, torch.device("cpu"), batch=3)


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
    kinds = ("vae", "trained", "both", "all", "reader", "adapters", "control", "network")
    networks = [state[key] for key in kinds if key in state]
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
    assert len(ends) == len(again) > 15
    assert any(not torch.equal(begin, end) for begin, end in zip(start, ends, strict=True))
    assert all(
        torch.equal(one, other) for one, other in zip(tensors(whole.state()), tensors(resumed.state()), strict=True)
    )


def test_a_finished_stage_does_nothing_more(anchor: Anchor, tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    run(VaeStage(setup, anchor), setup, 1)
    written = (tmp_path / "vae.pt").stat().st_mtime_ns
    run(VaeStage(setup, anchor), setup, 1)
    assert (tmp_path / "vae.pt").stat().st_mtime_ns == written


def test_all_stages_make_a_bundle_that_loads(anchor: Anchor, tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    anchor.save(tmp_path)
    save_tokenizer(tokenizer, tmp_path / "tokenizer")
    with pytest.raises(GateMissedError, match="--vae-steps"):
        train(setup_in(tmp_path), Lengths(1, 1, 1, 1), judged_on=4)
    trained = train(setup_in(tmp_path), Lengths(1, 1, 1, 1), gate=0.0, judged_on=4)
    trained.save(tmp_path / "weights")
    bundle, again = trained.bundle, load_bundle(tmp_path / "weights")
    assert np.array_equal(Anchor.load(tmp_path / "weights").weights, anchor.weights)
    for part in ("unet", "vae", "text"):
        ours, theirs = getattr(bundle, part).state_dict(), getattr(again, part).state_dict()
        assert all(torch.equal(ours[key].half().float(), theirs[key]) for key in ours)


def test_training_goes_on_from_a_bundle(tmp_path: Path) -> None:
    shipped = load_bundle(weights_folder())
    trained = train(setup_in(tmp_path), Lengths(0, 0, 0, 0), going_on_from=weights_folder(), gate=0.0, judged_on=4)
    bundle = trained.bundle
    assert np.array_equal(trained.anchor.weights, Anchor.load(weights_folder()).weights)
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
    pictures = drawings(rng, 64).pictures
    anchor.save(tmp_path)
    latents = anchor.latents(pictures)
    assert latents.shape == (64, 4, 16, 16)
    assert 0.6 < latents.std() < 1.5
    assert torch.equal(load_or_fit(tmp_path).latents(pictures), latents)
    shown = latents.movedim(1, -1) @ torch.tensor(anchor.colors()[:4]) + torch.tensor(anchor.colors()[4])
    true = torch.nn.functional.avg_pool2d(pixels(pictures), 8).movedim(1, -1)
    assert (shown - true).abs().mean() < 0.05
    patch = torch.from_numpy(anchor.weights)
    back = (patch * torch.linalg.pinv(patch).T).sum(0)
    assert torch.allclose(back, torch.ones(4), atol=1e-4)


def test_latents_of_tall_and_wide_pictures_have_their_form(anchor: Anchor) -> None:
    rng = np.random.default_rng(1)
    shapes = [anchor.latents(drawings(rng, 2, size).pictures).shape for size in (TALL, WIDE)]
    assert shapes == [(2, 4, 24, 16), (2, 4, 16, 24)]


def test_a_tokenizer_that_was_used_is_saved_as_it_was(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    save_tokenizer(tokenizer, tmp_path / "before")
    token_ids(tokenizer, ["a red circle"])
    save_tokenizer(tokenizer, tmp_path / "after")
    for file in (tmp_path / "before").iterdir():
        assert file.read_bytes() == (tmp_path / "after" / file.name).read_bytes()


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
