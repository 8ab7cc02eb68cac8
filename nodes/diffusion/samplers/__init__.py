"""Samplers: ways from noise to picture, by the names people know. Written from the papers and k-diffusion's form.

All work on x = x0 + sigma * noise in float32, and levels as Python floats.
"""

from __future__ import annotations

from nodes.diffusion.samplers.run import Denoiser, Run
from nodes.diffusion.samplers.table import NAMES, SAMPLERS, Algorithm, algorithm

__all__ = ["NAMES", "SAMPLERS", "Algorithm", "Denoiser", "Run", "algorithm"]
