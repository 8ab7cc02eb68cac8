"""SA-Solver: stochastic Adams methods, a predictor and a corrector. Xue et al. 2023, arXiv:2309.05019."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nodes.diffusion.samplers.run import exploding, imploded, matched, steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from nodes.diffusion.samplers.run import Run


def sa_solver(
    run: Run,
    x: Tensor,
    sigmas: Sequence[float],
    *,
    predictor_order: int = 3,
    corrector_order: int = 4,
    use_pece: bool = False,
    simple_order_2: bool = False,
    eta: float = 1.0,
    sde_start_sigma: float | None = None,
    sde_end_sigma: float | None = None,
    s_noise: float = 1.0,
) -> Tensor:
    """SA-Solver, stochastic (tau = eta) from one level to another; left out, from 20 to 80 percent of the way.

    `use_pece` asks the network again after each correction.
    """
    start = run.prediction.percent_to_sigma(0.2) if sde_start_sigma is None else sde_start_sigma
    end = run.prediction.percent_to_sigma(0.8) if sde_end_sigma is None else sde_end_sigma
    taus = [eta if end <= sigma <= start else 0.0 for sigma in sigmas]
    run, x, sigmas = exploding(run, x, sigmas)
    complete, last = sigmas[-1] == 0, len(sigmas) - 1
    past: list[tuple[float, Tensor]] = []  # (log-SNR / 2, x0) of the last steps, newest first
    guess, noise, tau = x, None, 0.0
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, guess, sigma)
        here = -math.log(sigma)
        past = [(here, x0), *past[: max(predictor_order, corrector_order) - 1]]
        corrects = i > 0 and (sigma_next > 0 or use_pece)
        order = min(corrector_order, len(past), last - i if complete else len(past)) if corrects else 0
        if order:
            x = _step(x, past[:order], -math.log(sigmas[i - 1]), here, tau, simple=simple_order_2, correcting=True)
            x = x if noise is None else x + noise
            if use_pece:
                x0 = run.denoise(x, sigma)
                past[0] = (here, x0)
        else:
            x = guess
        if sigma_next == 0:
            return x0
        order = min(predictor_order, len(past), last - 1 - i if complete else len(past))
        tau, there = taus[i + 1], -math.log(sigma_next)
        guess = _step(x, past[:order], here, there, tau, simple=simple_order_2, correcting=False)
        noise = None
        if tau > 0 and s_noise > 0:
            up = sigma_next * math.sqrt(-math.expm1(-2 * tau**2 * (there - here)))
            noise = run.noise(sigma, sigma_next) * (up * s_noise)
            guess = guess + noise
    return imploded(run, guess, sigmas[-1])


def sa_solver_pece(run: Run, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """SA-Solver that asks the network again after each correction."""
    return sa_solver(run, x, sigmas, use_pece=True)


def _step(
    x: Tensor,
    past: Sequence[tuple[float, Tensor]],
    start: float,
    end: float,
    tau: float,
    *,
    simple: bool,
    correcting: bool,
) -> Tensor:
    """x from one half log-SNR to another without its noise, driven by x0 as a polynomial through those of `past`."""
    grown = 1 + tau**2
    lambdas = [at for at, _ in past]
    if simple and len(past) == 2:
        shares = _simple_shares(lambdas, start, end, grown, correcting=correcting)
    else:
        shares = _shares(lambdas, start, end, grown)
    x = x * math.exp(-(end - start) * grown)
    for (_, x0), share in zip(past, shares, strict=True):
        x = x + x0 * share
    return x


def _shares(lambdas: Sequence[float], start: float, end: float, grown: float) -> list[float]:
    """Integrals from start to end of g e^(g (u - end)) times the Lagrange polynomials over `lambdas`, g = `grown`."""
    # Moments of u - end, by parts: M_0 = 1 - e^(-gh), M_p = -(-h)^p e^(-gh) - p/g M_(p-1).
    h = end - start
    left = math.exp(-grown * h)
    moments = [-math.expm1(-grown * h)]
    for p in range(1, len(lambdas)):
        moments.append(-((-h) ** p) * left - p / grown * moments[-1])
    return matched([at - end for at in lambdas], moments)


def _simple_shares(
    lambdas: Sequence[float], start: float, end: float, grown: float, *, correcting: bool
) -> list[float]:
    """The second order weights with which UniPC starts, newest first."""
    h = end - start
    total = -math.expm1(-grown * h)
    if correcting:
        newest = grown * h / 2
        return [newest, total - newest]
    older = grown * h**2 / 2 / (lambdas[1] - start)
    return [total - older, older]
