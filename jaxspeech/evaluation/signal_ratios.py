"""Ratios of a signal to the distortion of its estimate, in dB, and the pairing of separated sources with true ones.

    si_sdr = 10 log10(|a s|^2 / |e - a s|^2),  a = <e, s> / |s|^2                     (Le Roux et al., 2019)
    sdr    = 10 log10(|h * s|^2 / |e - h * s|^2),  h = argmin |e - h * s|^2, 512 taps (Vincent et al., 2006: BSS Eval)

in float64, without subtraction of means, as torchmetrics, fast_bss_eval and NeMo's metrics compute them.
"""

import itertools

import numpy as np
from jaxtyping import Float
from scipy.fft import next_fast_len
from scipy.linalg import solve_toeplitz
from scipy.optimize import linear_sum_assignment

TAPS = 512
# A power below is silence: the least step of 16 bits has 1e-9.
SILENT = 1e-12
# A copy of the target has no distortion; its ratio is this one.
MOST = 100.0


def is_silent(samples: Float[np.ndarray, " S"]) -> bool:
    """Whether a signal is too faint for a ratio."""
    return not len(samples) or float(np.mean(np.square(samples, dtype=np.float64))) < SILENT


def si_sdr(estimate: Float[np.ndarray, " S"], target: Float[np.ndarray, " S"]) -> float | None:
    """Computes the scale-invariant ratio of signal to distortion; None where one of both is silent."""
    if is_silent(estimate) or is_silent(target):
        return None
    e, s = np.asarray(estimate, np.float64), np.asarray(target, np.float64)
    s = s * (e @ s) / (s @ s)
    return _decibels(float(s @ s), float(np.sum((e - s) ** 2)))


def sdr(estimate: Float[np.ndarray, " S"], target: Float[np.ndarray, " S"], *, taps: int = TAPS) -> float | None:
    """Computes the ratio of signal to distortion of BSS Eval; None where one of both is silent.

    Args:
      estimate, target: of the same length.
      taps: of the filter by which the estimate may differ from the target.
    """
    if is_silent(estimate) or is_silent(target):
        return None
    size = next_fast_len(len(target) + taps - 1, real=True)
    # Scales do not matter, and powers near 1 are solved best.
    e, s = (x / np.linalg.norm(x) for x in (np.asarray(estimate, np.float64), np.asarray(target, np.float64)))
    of_e, of_s = np.fft.rfft(e, size), np.fft.rfft(s, size)
    auto = np.fft.irfft(np.abs(of_s) ** 2, size)[:taps]
    cross = np.fft.irfft(of_s.conj() * of_e, size)[:taps]
    # The diagonal keeps targets of few frequencies solvable, by Levinson's recursion.
    auto[0] += 1e-10
    explained = float(cross @ solve_toeplitz(auto, cross))
    return _decibels(explained, 1 - explained)


def best_pairing(estimates: Float[np.ndarray, "M S"], targets: Float[np.ndarray, "M S"]) -> list[int]:
    """Finds the target of each estimate, so that the sum of their SI-SDR is greatest."""
    number = len(targets)
    ratios = np.full((len(estimates), number), -MOST)
    for i, j in itertools.product(range(len(estimates)), range(number)):
        if (ratio := si_sdr(estimates[i], targets[j])) is not None:
            ratios[i, j] = ratio
    return linear_sum_assignment(-ratios)[1].tolist()


def _decibels(signal: float, distortion: float) -> float:
    least = 10 ** (-MOST / 10)
    return float(np.clip(10 * np.log10(max(signal, least**2) / max(distortion, least * signal, least**3)), -MOST, MOST))
