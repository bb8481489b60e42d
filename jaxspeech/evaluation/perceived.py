"""Scores of speech that stand for what listeners say: PESQ, STOI, ESTOI and DNSMOS, computed by other packages.

PESQ (ITU-T P.862.2; 1.04 to 4.64) estimates quality, STOI and ESTOI (0 to 1) how much is understood; both compare with
the clean signal. DNSMOS (1 to 5) estimates the mean opinion of speech, of background and of both, from the signal
alone.
Each function returns None for a recording that it cannot score: silence, or too little speech.
"""

import importlib
import importlib.util
import warnings
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.resample import resample
from jaxspeech.errors import ConfigError

# The package that computes each score.
PACKAGES = {"pesq": "pesq", "stoi": "pystoi", "estoi": "pystoi", "dnsmos": "speechmos"}
# speechmos does not say what it needs itself.
ITS_NEEDS = ("librosa", "onnxruntime", "requests")
# Sample rates in Hz.
WIDE, NARROW = 16000, 8000
# pystoi returns exactly this, with a warning, where there is too little speech.
TOO_SHORT = 1e-5
# Longer recordings are scored in parts, of which the mean is taken: PESQ's own tables end after 50 utterances.
LONGEST = 30.0


def missing_package(name: str) -> str:
    """The package that a score needs and that is not installed; "" if there is none."""
    if name not in PACKAGES:
        return ""
    needed = (PACKAGES[name], *(ITS_NEEDS if name == "dnsmos" else ()))
    return next((package for package in needed if importlib.util.find_spec(package) is None), "")


def check_package(name: str) -> None:
    """Checks that a score can be computed.

    Raises:
      ConfigError: its package is not installed.
    """
    if package := missing_package(name):
        install = " ".join(("speechmos", *ITS_NEEDS)) if name == "dnsmos" else '"jaxspeech[enhance]"'
        raise ConfigError(f'the score "{name}" needs the package {package}: pip install {install}')


def pesq(estimate: Float[np.ndarray, " S"], target: Float[np.ndarray, " S"], sample_rate: int) -> float | None:
    """Computes PESQ: wide-band at 16 kHz, narrow-band from recordings of less, of which it knows 8 kHz."""
    package: Any = importlib.import_module(PACKAGES["pesq"])
    rate, mode = (WIDE, "wb") if sample_rate >= WIDE else (NARROW, "nb")
    e, t = (resample(np.asarray(x, np.float32), sample_rate, rate) for x in (estimate, target))
    found = []
    for start in range(0, len(t), part := round(LONGEST * rate)):
        # Silence is divided by its peak.
        if not np.any(e[start : start + part]) or not np.any(t[start : start + part]):
            continue
        try:
            found.append(package.pesq(rate, t[start : start + part], e[start : start + part], mode))
        except (package.PesqError, ValueError):
            continue
    return float(np.mean(found)) if found else None


def stoi(
    estimate: Float[np.ndarray, " S"], target: Float[np.ndarray, " S"], sample_rate: int, *, extended: bool = False
) -> float | None:
    """Computes STOI, or ESTOI."""
    package: Any = importlib.import_module(PACKAGES["stoi"])
    if not np.any(estimate) or not np.any(target):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        value = float(package.stoi(np.float64(target), np.float64(estimate), sample_rate, extended=extended))
    return None if value == TOO_SHORT or not np.isfinite(value) else value


def dnsmos(samples: Float[np.ndarray, " S"], sample_rate: int) -> dict[str, float] | None:
    """Computes DNSMOS of the whole ("dnsmos"), of the speech ("dnsmos_sig") and of the background ("dnsmos_bak")."""
    package: Any = importlib.import_module(f"{PACKAGES['dnsmos']}.dnsmos")
    x = resample(np.asarray(samples, np.float32), sample_rate, WIDE)
    if not np.any(x):
        return None
    # The package refuses what a loudspeaker would clip.
    found: dict[str, Any] = package.run(np.clip(x, -1, 1), sr=WIDE)
    return {
        "dnsmos": float(found["ovrl_mos"]),
        "dnsmos_sig": float(found["sig_mos"]),
        "dnsmos_bak": float(found["bak_mos"]),
    }
