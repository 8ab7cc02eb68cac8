"""What sampling costs, all in one run on one machine: prints JSON.

The network is a UNet of 107 million parameters with random weights, loaded from a file as any other. A step under cfg
is timed beside a bare call of the network on the same batch of two and beside diffusers' own pipeline, in turn, so that
a busy machine slows all alike; what a step does without any network is timed with a network that costs nothing, and so
are the changes to guidance that ask the network nothing more. The others are given as shares of a step in this device's
precision.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from nodes.diffusion import checkpoint, families, schedules
from nodes.diffusion import noise as noises
from nodes.diffusion.guidance import NO_HOOKS, Hooks
from nodes.diffusion.guidance_changes import hooks_named
from nodes.diffusion.network import Inputs
from nodes.diffusion.prediction import prediction
from nodes.diffusion.sample import sample
from nodes.diffusion.unet import UNet
from nodes.diffusion.unet_patches import patched
from nodes.diffusion.weights import Weights
from nodes.types import Cond, Conditioning

SHAPE, STEPS, ROUNDS = (1, 4, 32, 32), 2, 3
SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde", "uni_pc")
FREE_EXTRAS: Mapping[str, Mapping[str, Any]] = {
    "rescale_cfg": {"multiplier": 0.7},
    "renorm_cfg": {"until": 100.0, "limit": 1.0},
    "zero_star": {},
    "cfg_norm": {"strength": 1.0},
    "mahiro": {},
    "epsilon_scaling": {"factor": 1.005},
    "score_rescaling": {"k": 0.95, "spread": 1.0},
    "projected": {"eta": 1.0, "norm_threshold": 5.0, "momentum": -0.5},
    "tangential_damping": {},
    "frequencies": {"low": 1.0, "high": 1.25, "cutoff": 20},
}
ASKING_EXTRAS: Mapping[str, Mapping[str, Any]] = {
    "perturbed_attention": {"scale": 3.0},
    "self_attention": {"scale": 0.5, "blur_sigma": 2.0},
    "skipped_blocks": {"blocks": (2,), "scale": 3.0, "start": 0.0, "end": 1.0, "rescale": 0.0},
}
PATCHES: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "freeu": {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2, "version": 2},
    "tiled": {"tile_size": 64, "swap_size": 2, "max_depth": 0, "scale_depth": False},
    "merged_tokens": {"ratio": 0.3},
    "normalized_guidance": {"scale": 5.0, "alpha": 0.5, "tau": 1.5},
    "downscaled": {
        "block": 2,
        "factor": 2.0,
        "start_sigma": 1e9,
        "end_sigma": 0.0,
        "after_skip": True,
        "down_method": "bicubic",
        "up_method": "bicubic",
    },
}


class Instant(UNet):
    """A network that costs nothing: it answers with its input."""

    def __call__(self, x: torch.Tensor, timestep: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        return x


def write(folder: Path) -> None:
    """The model under test, as a folder of diffusers' kind."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    UNet2DConditionModel(
        sample_size=32,
        layers_per_block=1,
        block_out_channels=(320, 640),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=768,
        attention_head_dim=8,
    ).save_pretrained(folder)


def pipeline(module: Any) -> Any:
    """diffusers' pipeline around the module, as it comes: float32, both prompts in one batch, Euler."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

    levels: dict[str, Any] = {
        "block_out_channels": (32,) * 4,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    }
    vae = AutoencoderKL(**levels)
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    made = StableDiffusionPipeline(vae, None, None, module, scheduler, None, None, requires_safety_checker=False)  # pyright: ignore[reportArgumentType]
    made.set_progress_bar_config(disable=True)
    return made


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of one call (not wall-clock: other programs may run)."""
    start = time.process_time()
    call()
    return time.process_time() - start


def in_turn(calls: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """The least CPU seconds of each call, of some rounds in which each had its turn; the first round warms up."""
    taken = [{name: seconds(call) for name, call in calls.items()} for _ in range(rounds + 1)][1:]
    return {name: min(one[name] for one in taken) for name in calls}


class Bench:
    """What is drawn again and again: the network in float32, and in this device's precision."""

    def __init__(self, network: UNet, ours: UNet) -> None:
        self.module, self.network, self.ours = network.module, network, ours
        self.instant = Instant(self.module, families.family_named("sd15"), network.device, torch.float32)
        self.tokens = torch.randn(1, 77, 768)
        self.noise = noises.initial(SHAPE, 1)
        self.sigmas = schedules.sigmas("karras", prediction(self.network.parametrization), STEPS)

    def drawn(self, unet: UNet, sampler: str = "euler", hooks: Hooks = NO_HOOKS) -> Callable[[], torch.Tensor]:
        """A call that samples with this network."""
        prompt = Conditioning((Cond(self.tokens),))
        given = {"noise": self.noise, "latent": torch.zeros(SHAPE), "sigmas": self.sigmas, "sampler": sampler}
        return lambda: sample(unet, **given, positive=prompt, negative=prompt, cfg=7.0, hooks=hooks)

    def steps(self) -> dict[str, float]:
        """Seconds of a step: the bare network, ours in float32 and in this device's precision, and the pipeline."""
        pipe, pair, inputs = pipeline(self.module), self.noise.repeat(2, 1, 1, 1), Inputs(self.tokens.repeat(2, 1, 1))

        def bare() -> None:
            with torch.no_grad():
                for _ in range(STEPS):
                    self.network(pair, torch.full((2,), 500.0), inputs)

        def theirs() -> object:
            prompts = {"prompt_embeds": self.tokens, "negative_prompt_embeds": self.tokens, "guidance_scale": 7.0}
            return pipe(**prompts, latents=self.noise, num_inference_steps=STEPS, output_type="latent")

        calls = {"bare": bare, "float32": self.drawn(self.network), "ours": self.drawn(self.ours), "pipeline": theirs}
        return {name: taken / STEPS for name, taken in in_turn(calls, rounds=2).items()}

    def rounding(self) -> float:
        """How far the precision takes a picture from float32's, as a share of the picture."""
        exact, rounded = self.drawn(self.network)(), self.drawn(self.ours)()
        return float((exact - rounded).norm() / exact.norm())

    def without_network(self, calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
        """Seconds of a step of each call."""
        found = {}
        for name, call in calls.items():
            call()
            found[name] = statistics.median(seconds(call) for _ in range(ROUNDS * 7)) / STEPS
        return found

    def patched(self) -> dict[str, float]:
        """Seconds of a step under each patch of the network, and each change that asks it more."""

        def under(name: str, parameters: Mapping[str, Any]) -> Callable[[], object]:
            patches = [] if name == "none" else [(name, parameters)]

            def call() -> None:
                with patched(self.ours, patches, {"negative": Conditioning((Cond(self.tokens * 0.5),))}) as network:
                    self.drawn(network)()

            return call

        def asking(name: str, parameters: Mapping[str, Any]) -> Callable[[], object]:
            def call() -> None:
                with patched(self.ours, []) as network:
                    self.drawn(network, hooks=hooks_named([(name, parameters)]))()

            return call

        calls = {name: under(name, parameters) for name, parameters in PATCHES.items()}
        calls |= {name: asking(name, parameters) for name, parameters in ASKING_EXTRAS.items()}
        return {name: taken / STEPS for name, taken in in_turn(calls, rounds=1).items()}


def main() -> None:
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        model = checkpoint.open_unet(Path(folder))
        with Weights("cpu", "fp32").network(model) as exact, Weights("cpu").network(model) as ours:
            report(Bench(exact, ours))


def report(bench: Bench) -> None:
    """Measure everything and print it."""
    steps = bench.steps()
    alone = bench.without_network({name: bench.drawn(bench.instant, name) for name in SAMPLERS})
    extras = bench.without_network(
        {
            name: bench.drawn(bench.instant, "euler", hooks_named([(name, parameters)]))
            for name, parameters in FREE_EXTRAS.items()
        }
    )
    asked = bench.patched()
    step = steps["bare"]
    print(  # noqa: T201
        json.dumps(
            {
                "bench": "sampling",
                "parameters": sum(p.numel() for p in bench.module.parameters()),
                "precision": str(bench.ours.dtype),
                "rounding_of_the_picture": round(bench.rounding(), 5),
                "ms_per_step": {name: round(taken * 1000, 1) for name, taken in steps.items()},
                "float32_over_bare": round(steps["float32"] / step, 4),
                "times_the_pipeline": round(steps["pipeline"] / steps["ours"], 3),
                "overhead_share_per_step": {name: round(cost / step, 5) for name, cost in alone.items()},
                "guidance_extra_share_per_step": {
                    name: round((cost - alone["euler"]) / step, 5) for name, cost in extras.items()
                },
                "limit_share_per_step": 0.02,
                "step_under_change": {name: round(cost / asked["none"], 3) for name, cost in asked.items()},
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
