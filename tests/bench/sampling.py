"""What sampling costs beyond the network, as shares of one run: prints JSON.

The network is a UNet of 107 million parameters with random weights. A step under cfg is timed beside a bare call of the
network on the same batch of two, in turn, and so is what one step does without any network (a call that costs nothing).
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from nodes.diffusion import families, schedules
from nodes.diffusion import noise as noises
from nodes.diffusion.guidance import NO_HOOKS, Hooks
from nodes.diffusion.guidance_changes import hooks_named
from nodes.diffusion.network import Inputs
from nodes.diffusion.prediction import prediction
from nodes.diffusion.sample import sample
from nodes.diffusion.unet import UNet
from nodes.types import Cond, Conditioning

SHAPE, STEPS, ROUNDS = (1, 4, 32, 32), 4, 7
EXTRAS = {
    "rescale_cfg": {"multiplier": 0.7},
    "renorm_cfg": {"until": 100.0, "limit": 1.0},
    "zero_star": {},
    "cfg_norm": {"strength": 1.0},
    "mahiro": {},
    "epsilon_scaling": {"factor": 1.005},
    "tangential_damping": {},
    "frequencies": {"low": 1.0, "high": 1.25, "cutoff": 20},
}
SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde", "uni_pc")


class Instant(UNet):
    """A network that costs nothing: it answers with its input."""

    def __call__(self, x: torch.Tensor, timestep: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        return x


def build() -> UNet:
    """The network under test."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    module = UNet2DConditionModel(
        sample_size=32,
        layers_per_block=1,
        block_out_channels=(320, 640),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=768,
        attention_head_dim=8,
    ).eval()
    return UNet(module, families.family_named("sd15"), torch.device("cpu"), torch.float32)


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of one call (not wall-clock: other programs may run)."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    network = build()
    instant = Instant(network.module, families.family_named("sd15"), network.device, network.dtype)
    tokens = torch.randn(1, 77, 768)
    prompt = Conditioning((Cond(tokens),))
    latent, noise = torch.zeros(SHAPE), noises.initial(SHAPE, 1)
    sigmas = schedules.sigmas("karras", prediction(network.parametrization), STEPS)
    inputs, pair = Inputs(tokens.repeat(2, 1, 1)), noise.repeat(2, 1, 1, 1)

    def drawn(unet: UNet, sampler: str, hooks: Hooks = NO_HOOKS) -> Callable[[], object]:
        return lambda: sample(
            unet,
            noise=noise,
            latent=latent,
            sigmas=sigmas,
            sampler=sampler,
            positive=prompt,
            negative=prompt,
            cfg=7.0,
            hooks=hooks,
        )

    def bare() -> None:
        for _ in range(STEPS):
            network(pair, torch.full((2,), 500.0), inputs)

    def bare_timed() -> float:
        with torch.no_grad():
            return seconds(bare)

    bare_timed()
    rounds = [(bare_timed(), seconds(drawn(network, "euler")), bare_timed()) for _ in range(ROUNDS)]
    step = statistics.median(min(before, after) for before, _, after in rounds) / STEPS
    alone = {}
    for name in SAMPLERS:
        call = drawn(instant, name)
        call()
        alone[name] = statistics.median(seconds(call) for _ in range(ROUNDS * 3)) / STEPS
    extras = {}
    for name, parameters in EXTRAS.items():
        call = drawn(instant, "euler", hooks_named([(name, parameters)]))
        call()
        extras[name] = statistics.median(seconds(call) for _ in range(ROUNDS * 3)) / STEPS - alone["euler"]
    print(  # noqa: T201
        json.dumps(
            {
                "bench": "sampling",
                "parameters": sum(p.numel() for p in network.module.parameters()),
                "network_ms_per_step": round(step * 1000, 2),
                "run_over_bare": round(statistics.median(run / ((a + b) / 2) for a, run, b in rounds), 4),
                "overhead_share_per_step": {name: round(cost / step, 5) for name, cost in alone.items()},
                "guidance_extra_share_per_step": {name: round(cost / step, 5) for name, cost in extras.items()},
                "limit_share_per_step": 0.02,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
