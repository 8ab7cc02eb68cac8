"""How A1111 calls what ComfyUI calls otherwise: samplers, schedules, ways to enlarge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

_ENDINGS = frozenset({".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".sft", ".gguf"})

SAMPLERS: Mapping[str, str] = {
    "Euler": "euler",
    "Euler a": "euler_ancestral",
    "Euler CFG++": "euler_cfg_pp",
    "Euler a CFG++": "euler_ancestral_cfg_pp",
    "LMS": "lms",
    "Heun": "heun",
    "HeunPP2": "heunpp2",
    "DPM2": "dpm_2",
    "DPM2 a": "dpm_2_ancestral",
    "DPM fast": "dpm_fast",
    "DPM adaptive": "dpm_adaptive",
    "DPM++ 2S a": "dpmpp_2s_ancestral",
    "DPM++ 2S a CFG++": "dpmpp_2s_ancestral_cfg_pp",
    "DPM++ SDE": "dpmpp_sde",
    "DPM++ 2M": "dpmpp_2m",
    "DPM++ 2M CFG++": "dpmpp_2m_cfg_pp",
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "DPM++ 2M SDE Heun": "dpmpp_2m_sde_heun",
    "DPM++ 3M SDE": "dpmpp_3m_sde",
    "DDIM": "ddim",
    "DDPM": "ddpm",
    "LCM": "lcm",
    "UniPC": "uni_pc",
    "IPNDM": "ipndm",
    "IPNDM_V": "ipndm_v",
    "DEIS": "deis",
    "Res Multistep": "res_multistep",
    "Restart": "euler",
}
STAND_INS = frozenset({"Restart"})
"""Names whose sampler is only the nearest that there is."""

OWN_SAMPLERS = frozenset(
    {
        "exp_heun_2_x0",
        "exp_heun_2_x0_sde",
        "dpmpp_sde_gpu",
        "dpmpp_2m_sde_gpu",
        "dpmpp_2m_sde_heun_gpu",
        "dpmpp_3m_sde_gpu",
        "res_multistep_cfg_pp",
        "res_multistep_ancestral",
        "res_multistep_ancestral_cfg_pp",
        "gradient_estimation",
        "gradient_estimation_cfg_pp",
        "er_sde",
        "seeds_2",
        "seeds_3",
        "sa_solver",
        "sa_solver_pece",
        "uni_pc_bh2",
    }
)
"""Samplers that A1111 has no name for; other programs write them as they are."""

SCHEDULES: Mapping[str, str] = {
    "Uniform": "normal",
    "Normal": "normal",
    "Karras": "karras",
    "Exponential": "exponential",
    "SGM Uniform": "sgm_uniform",
    "KL Optimal": "kl_optimal",
    "Simple": "simple",
    "DDIM": "ddim_uniform",
    "Beta": "beta",
    "Linear Quadratic": "linear_quadratic",
}
AUTOMATIC: Mapping[str, str] = {
    **dict.fromkeys(("DPM++ 2M", "DPM++ SDE", "DPM++ 2S a", "DPM2", "DPM2 a"), "karras"),
    **dict.fromkeys(("DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"), "exponential"),
}
"""The schedule that A1111 takes for a sampler when it is left to choose."""

LATENT_METHODS: Mapping[str, str] = {
    "Latent": "bilinear",
    "Latent (antialiased)": "bilinear",
    "Latent (bicubic)": "bicubic",
    "Latent (bicubic antialiased)": "bicubic",
    "Latent (nearest)": "nearest-exact",
    "Latent (nearest-exact)": "nearest-exact",
    "Latent (area)": "area",
    "Latent (bislerp)": "bislerp",
}
PIXEL_METHODS: Mapping[str, str] = {
    "None": "lanczos",
    "Lanczos": "lanczos",
    "Nearest": "nearest-exact",
    "Bilinear": "bilinear",
    "Bicubic": "bicubic",
    "Area": "area",
}


def is_random(sampler: str) -> bool:
    """Whether a sampler draws noise of its own at each step."""
    return "ancestral" in sampler or "sde" in sampler or sampler in ("lcm", "ddpm", "seeds_2", "seeds_3", "sa_solver")


def named(names: Mapping[str, str], value: object) -> str | None:
    """A1111's name of a value; the last that is entered for it, and the value itself where there is none."""
    if not isinstance(value, str):
        return None
    return next(
        (name for name, each in reversed(list(names.items())) if each == value and name not in STAND_INS), value
    )


def stem_of(name: str) -> str:
    """A model's name without folders and ending: what stands in a picture says nothing of the disk."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in _ENDINGS else path.name
