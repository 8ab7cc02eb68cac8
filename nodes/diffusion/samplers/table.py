"""Which samplers there are."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from nodes.diffusion.samplers import (
    cfg_pp,
    dpm_solver,
    dpmpp,
    er_sde,
    exponential,
    first_order,
    linear_multistep,
    sa_solver,
    second_order,
    unipc,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A sampler and what it needs of its surroundings.

    `sample(run, x, sigmas, **options)` takes x from the first of the levels to the last; options are the sampler's own.
    `noise` is the kind it draws; `drops_penultimate` asks the KSampler for a schedule without its last level above 0;
    `fresh_mask_noise` fills what an inpainting mask keeps with noise of its own.
    """

    sample: Callable[..., Tensor]
    noise: Literal["fresh", "brownian"] = "fresh"
    drops_penultimate: bool = False
    fresh_mask_noise: bool = False


SAMPLERS: MappingProxyType[str, Algorithm] = MappingProxyType(
    {
        "euler": Algorithm(first_order.euler),
        "euler_cfg_pp": Algorithm(cfg_pp.euler_cfg_pp),
        "euler_ancestral": Algorithm(first_order.euler_ancestral),
        "euler_ancestral_cfg_pp": Algorithm(cfg_pp.euler_ancestral_cfg_pp),
        "heun": Algorithm(second_order.heun),
        "heunpp2": Algorithm(second_order.heunpp2),
        "exp_heun_2_x0": Algorithm(exponential.exp_heun_2_x0),
        "exp_heun_2_x0_sde": Algorithm(exponential.exp_heun_2_x0_sde),
        "dpm_2": Algorithm(second_order.dpm_2, drops_penultimate=True),
        "dpm_2_ancestral": Algorithm(second_order.dpm_2_ancestral, drops_penultimate=True),
        "lms": Algorithm(linear_multistep.lms),
        "dpm_fast": Algorithm(dpm_solver.dpm_fast),
        "dpm_adaptive": Algorithm(dpm_solver.dpm_adaptive),
        "dpmpp_2s_ancestral": Algorithm(second_order.dpmpp_2s_ancestral),
        "dpmpp_2s_ancestral_cfg_pp": Algorithm(cfg_pp.dpmpp_2s_ancestral_cfg_pp),
        "dpmpp_sde": Algorithm(dpmpp.dpmpp_sde, noise="brownian"),
        "dpmpp_sde_gpu": Algorithm(dpmpp.dpmpp_sde, noise="brownian"),
        "dpmpp_2m": Algorithm(dpmpp.dpmpp_2m),
        "dpmpp_2m_cfg_pp": Algorithm(cfg_pp.dpmpp_2m_cfg_pp),
        "dpmpp_2m_sde": Algorithm(dpmpp.dpmpp_2m_sde, noise="brownian"),
        "dpmpp_2m_sde_gpu": Algorithm(dpmpp.dpmpp_2m_sde, noise="brownian"),
        "dpmpp_2m_sde_heun": Algorithm(dpmpp.dpmpp_2m_sde_heun, noise="brownian"),
        "dpmpp_2m_sde_heun_gpu": Algorithm(dpmpp.dpmpp_2m_sde_heun, noise="brownian"),
        "dpmpp_3m_sde": Algorithm(dpmpp.dpmpp_3m_sde, noise="brownian"),
        "dpmpp_3m_sde_gpu": Algorithm(dpmpp.dpmpp_3m_sde, noise="brownian"),
        "ddpm": Algorithm(first_order.ddpm),
        "lcm": Algorithm(first_order.lcm),
        "ipndm": Algorithm(linear_multistep.ipndm),
        "ipndm_v": Algorithm(linear_multistep.ipndm_v),
        "deis": Algorithm(linear_multistep.deis),
        "res_multistep": Algorithm(exponential.res_multistep),
        "res_multistep_cfg_pp": Algorithm(exponential.res_multistep_cfg_pp),
        "res_multistep_ancestral": Algorithm(exponential.res_multistep_ancestral),
        "res_multistep_ancestral_cfg_pp": Algorithm(exponential.res_multistep_ancestral_cfg_pp),
        "gradient_estimation": Algorithm(linear_multistep.gradient_estimation),
        "gradient_estimation_cfg_pp": Algorithm(cfg_pp.gradient_estimation_cfg_pp),
        "er_sde": Algorithm(er_sde.er_sde),
        "seeds_2": Algorithm(exponential.seeds_2),
        "seeds_3": Algorithm(exponential.seeds_3),
        "sa_solver": Algorithm(sa_solver.sa_solver),
        "sa_solver_pece": Algorithm(sa_solver.sa_solver_pece),
        "ddim": Algorithm(first_order.euler, fresh_mask_noise=True),
        "uni_pc": Algorithm(unipc.uni_pc, drops_penultimate=True),
        "uni_pc_bh2": Algorithm(unipc.uni_pc_bh2, drops_penultimate=True),
    }
)
"""In the order in which they are offered."""

NAMES = tuple(SAMPLERS)

_OF_NODES: MappingProxyType[str, Algorithm] = MappingProxyType({"lcm_upscale": Algorithm(first_order.lcm_upscale)})
"""Samplers that have a node of their own only."""


def algorithm(name: str) -> Algorithm:
    """The sampler of this name. Raises ValueError when there is none."""
    found = SAMPLERS.get(name) or _OF_NODES.get(name)
    if found is None:
        raise ValueError(f"No sampler is called {name!r}; there are {', '.join(NAMES)}.")
    return found
