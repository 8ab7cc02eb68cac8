"""Exponential integrators in log-SNR: refined solvers (arXiv:2308.02157) and SEEDS (arXiv:2305.14267)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from nodes.diffusion.samplers.run import ancestral, exploding, imploded, steps, towards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from nodes.diffusion.samplers.run import Run


def res_multistep(run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 0.0, s_noise: float = 1.0) -> Tensor:
    """The two-step refined exponential solver; with `eta` each step goes too far down and comes back with noise."""
    before: Tensor | None = None
    level_before = 0.0
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        step = ancestral(run, sigma, sigma_next, eta)
        if step.down == 0 or before is None:
            x = towards(x, x0, sigma, step.down)
        else:
            now, then = _two_step_weights(sigma, step.down, sigmas[i - 1], level_before)
            x = x * (step.down / sigma) + x0 * now + before * then
        x = step.lift(x, lambda a=sigma, b=sigma_next: run.noise(a, b), s_noise)
        before, level_before = x0, step.down
    return x


def res_multistep_ancestral(
    run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """The two-step refined exponential solver with fresh noise."""
    return res_multistep(run, x, sigmas, eta=eta, s_noise=s_noise)


def res_multistep_cfg_pp(
    run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 0.0, s_noise: float = 1.0
) -> Tensor:
    """The two-step refined exponential solver with CFG++ (arXiv:2406.08070): x0 is guided, the noise is not."""
    before: Tensor | None = None
    level_before = 0.0
    for i, sigma, sigma_next in steps(sigmas):
        x0, uncond = run.first_with_uncond(i, x, sigma)
        step = ancestral(run, sigma, sigma_next, eta)
        shifted = x + (x0 - uncond)
        if step.down == 0 or before is None:
            x = towards(shifted, x0, sigma, step.down)
        else:
            now, then = _two_step_weights(sigma, step.down, sigmas[i - 1], level_before)
            x = shifted * (step.down / sigma) + uncond * now + before * then
        x = step.lift(x, lambda a=sigma, b=sigma_next: run.noise(a, b), s_noise)
        before, level_before = uncond, step.down
    return x


def res_multistep_ancestral_cfg_pp(
    run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """The two-step refined exponential solver with CFG++ and fresh noise."""
    return res_multistep_cfg_pp(run, x, sigmas, eta=eta, s_noise=s_noise)


def _two_step_weights(sigma: float, sigma_next: float, sigma_before: float, level_before: float) -> tuple[float, float]:
    """Weights of this x0 and of the last one, which was at `sigma_before`; that step went to `level_before`."""
    h = math.log(sigma / sigma_next)
    c2 = math.log(level_before / sigma_before) / h
    phi_1 = -math.expm1(-h) / h
    phi_2 = (1 - phi_1) / h
    then = phi_2 / c2 if c2 else 0.0
    return h * (phi_1 - then if c2 else 0.0), h * then


def seeds_2(
    run: Run,
    x: Tensor,
    sigmas: Sequence[float],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
    solver_type: Literal["phi_1", "phi_2"] = "phi_1",
) -> Tensor:
    """SEEDS-2: asks a second time at the share `r` of the step in log-SNR."""
    run, x, sigmas = exploding(run, x, sigmas)
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        if sigma_next == 0:
            return x0
        step = _Seeds(run, sigma, sigma_next, eta, s_noise)
        x0_later = run.denoise(step.reached(x, [(x0, step.phi_1(r))], r), step.level(r))
        if solver_type == "phi_1":
            share = 1 / (2 * r)
            mix = [(x0, step.phi_1(1) * (1 - share)), (x0_later, step.phi_1(1) * share)]
        else:
            later = step.phi_2(1) / r
            mix = [(x0, step.phi_1(1) - later), (x0_later, later)]
        x = step.reached(x, mix, 1.0)
    return imploded(run, x, sigmas[-1])


def exp_heun_2_x0(run: Run, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """The exponential Heun method on x0."""
    return seeds_2(run, x, sigmas, eta=0.0, s_noise=0.0, r=1.0, solver_type="phi_2")


def exp_heun_2_x0_sde(
    run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """The exponential Heun method on x0, with noise."""
    return seeds_2(run, x, sigmas, eta=eta, s_noise=s_noise, r=1.0, solver_type="phi_2")


def seeds_3(
    run: Run,
    x: Tensor,
    sigmas: Sequence[float],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r_1: float = 1 / 3,
    r_2: float = 2 / 3,
) -> Tensor:
    """SEEDS-3: asks again at the shares `r_1` and `r_2` of the step in log-SNR."""
    run, x, sigmas = exploding(run, x, sigmas)
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        if sigma_next == 0:
            return x0
        step = _Seeds(run, sigma, sigma_next, eta, s_noise)
        x0_2 = run.denoise(step.reached(x, [(x0, step.phi_1(r_1))], r_1), step.level(r_1))
        second = step.phi_2(r_2) * r_2 / r_1
        x0_3 = run.denoise(step.reached(x, [(x0, step.phi_1(r_2) - second), (x0_2, second)], r_2), step.level(r_2))
        third = step.phi_2(1) / r_2
        x = step.reached(x, [(x0, step.phi_1(1) - third), (x0_3, third)], 1.0)
    return imploded(run, x, sigmas[-1])


class _Seeds:
    """One step whose stages, at shares of it in log-SNR, see one and the same noise path."""

    def __init__(self, run: Run, sigma: float, sigma_next: float, eta: float, s_noise: float) -> None:
        self._run = run
        self._sigma = sigma
        self._h = math.log(sigma / sigma_next)
        self._eta = eta
        self._s_noise = s_noise
        self._share = 0.0
        self._path: Tensor | float = 0.0

    def level(self, share: float) -> float:
        """The level at this share of the step."""
        return self._sigma * math.exp(-share * self._h)

    def phi_1(self, share: float) -> float:
        """1 - e^-g for the share's length g in the grown log-SNR of the SDE."""
        return -math.expm1(-share * self._h * (1 + self._eta))

    def phi_2(self, share: float) -> float:
        """1 - (1 - e^-g) / g."""
        grown = share * self._h * (1 + self._eta)
        return 1 + math.expm1(-grown) / grown

    def reached(self, x: Tensor, mix: Sequence[tuple[Tensor, float]], share: float) -> Tensor:
        """x at this share of the step, given the x0 that drive it and their weights."""
        x = x * math.exp(-share * self._h * (1 + self._eta))
        for x0, weight in mix:
            x = x + x0 * weight
        if self._eta > 0 and self._s_noise > 0:
            x = x + self._lengthened(share) * (self.level(share) * self._s_noise)
        return x

    def _lengthened(self, share: float) -> Tensor | float:
        """The noise path so far, continued to this share."""
        gone = (share - self._share) * self._h * self._eta
        fresh = self._run.noise(self.level(self._share), self.level(share))
        self._path = self._path * math.exp(-gone) + fresh * math.sqrt(-math.expm1(-2 * gone))
        self._share = share
        return self._path
