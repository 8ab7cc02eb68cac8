"""Train the bundled model from nothing, stage by stage; stop it at any moment, and run it again to go on.

python -m nodes.starter.train [--work DIR] [--device cpu|cuda] [--from DIR] [--to DIR]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import CLIPTokenizer

from nodes.starter import weights_folder
from nodes.starter.anchor import Anchor, load_or_fit
from nodes.starter.bpe import learn
from nodes.starter.networks import Bundle, load_bundle, load_tokenizer, save_bundle
from nodes.starter.stage_decoder import DecoderStage
from nodes.starter.stage_text import TextStage
from nodes.starter.stage_unet import UnetStage
from nodes.starter.stage_vae import VaeStage, readable
from nodes.starter.training import Setup, run

GATE = 0.98
"""Share of true pictures that must survive the autoencoder before the denoiser is trained."""


@dataclass(frozen=True)
class Lengths:
    """How many steps each stage gets in all."""

    vae: int = 4500
    decoder: int = 1500
    text: int = 4500
    unet: int = 5500


@dataclass(frozen=True)
class Trained:
    """A model, and the anchor whose latents it speaks."""

    bundle: Bundle
    anchor: Anchor

    def save(self, folder: Path) -> None:
        """Write the diffusers folder, with the anchor in it so that training can go on, and its colors for previews."""
        save_bundle(self.bundle, folder)
        self.anchor.save(folder)
        colors = json.dumps({"factors": self.anchor.colors()}, indent=2)
        (folder / "preview.json").write_text(colors + "\n", encoding="utf-8")


class GateMissedError(RuntimeError):
    """The autoencoder does not keep what the checker needs to see."""


def train(
    setup: Setup, lengths: Lengths, *, going_on_from: Path | None = None, gate: float = GATE, judged_on: int = 200
) -> Trained:
    """The trained model. Every stage goes on from its checkpoint in the work folder.

    The gate asks for its share of `judged_on` true pictures to be read rightly through the autoencoder.
    With `going_on_from` the networks start as the weights in that diffusers folder instead of from nothing.
    Raises GateMissedError when the autoencoder is not good enough for the denoiser to be worth training.
    """
    setup.work.mkdir(parents=True, exist_ok=True)
    known = load_bundle(going_on_from) if going_on_from else None
    tokenizer = known.tokenizer if known else _tokenizer(setup.work / "tokenizer")
    # A trained model keeps its latents: another anchor would be another language.
    anchor = Anchor.load(going_on_from) if going_on_from else load_or_fit(setup.work)
    vae = _train_vae(setup, anchor, lengths, known)
    _check_gate(vae, gate, judged_on)
    text = TextStage(setup, anchor, tokenizer)
    if known:
        text.text.load_state_dict(known.text.state_dict())
        text.average.values = [parameter.detach().clone() for parameter in text.both.parameters()]
    run(text, setup, lengths.text)
    text.average.put_into(text.both)
    unet = UnetStage(setup, anchor, tokenizer, text.text, text.layout)
    if known:
        unet.unet.load_state_dict(known.unet.state_dict())
        unet.average.values = [parameter.detach().clone() for parameter in unet.all.parameters()]
    run(unet, setup, lengths.unet)
    unet.average.put_into(unet.all)
    return Trained(Bundle(unet.unet.eval(), vae.vae.eval(), unet.text.eval(), tokenizer), anchor)


def _tokenizer(folder: Path) -> CLIPTokenizer:
    return load_tokenizer(folder) if (folder / "merges.txt").exists() else learn(folder)


def _train_vae(setup: Setup, anchor: Anchor, lengths: Lengths, known: Bundle | None) -> VaeStage:
    stage = VaeStage(setup, anchor)
    if known:
        stage.vae.load_state_dict(known.vae.state_dict())
        stage.average.values = [parameter.detach().clone() for parameter in stage.vae.parameters()]
    run(stage, setup, lengths.vae)
    stage.average.put_into(stage.vae)
    decoder = DecoderStage(setup, anchor, stage.vae)
    run(decoder, setup, lengths.decoder)
    decoder.average.put_into(decoder.trained)
    return stage


def _check_gate(vae: VaeStage, gate: float, judged_on: int) -> None:
    share = readable(vae.vae.eval(), judged_on)
    print(f"gate: the checker reads {100 * share:.1f} % of true pictures through the autoencoder", flush=True)
    if share < gate:
        raise GateMissedError(
            f"Only {100 * share:.1f} % of true pictures are read rightly through the autoencoder; {100 * gate:.0f} % "
            "are needed. Train it longer: --vae-steps."
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, train, save."""
    parser = argparse.ArgumentParser(prog="python -m nodes.starter.train", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "sfumato-train")
    parser.add_argument("--to", type=Path, default=weights_folder(), help="where the diffusers folder is written")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="torch threads on a CPU; more spin when cores are busy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--float32", action="store_true", help="train without bfloat16")
    parser.add_argument("--from", dest="going_on_from", type=Path, help="a diffusers folder to go on from")
    for name, steps in vars(Lengths()).items():
        parser.add_argument(f"--{name}-steps", type=int, default=steps)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    setup = Setup(asked.work, torch.device(asked.device), asked.seed, asked.batch, not asked.float32)
    lengths = Lengths(asked.vae_steps, asked.decoder_steps, asked.text_steps, asked.unet_steps)
    try:
        trained = train(setup, lengths, going_on_from=asked.going_on_from)
    except GateMissedError as missed:
        raise SystemExit(str(missed)) from None
    trained.save(asked.to)
    print(asked.to)


if __name__ == "__main__":
    main()
