"""Compares the scores of enhanced signals with those of torchmetrics, which NeMo uses, and of other packages."""

import numpy as np
import pytest

from jaxspeech.evaluation.enhancement import signal_scores
from jaxspeech.evaluation.perceived import PACKAGES
from jaxspeech.evaluation.signal_ratios import sdr, si_sdr
from tests.parity.reference import arrays_of

NAMES = {"si_sdr": "si_sdr", "sdr": "sdr", "pesq": "pesq_wb", "stoi": "stoi", "estoi": "estoi"}


@pytest.mark.parametrize(("name", "ratio"), [("sisdr", si_sdr), ("sdr", sdr)])
def test_ratios(request, name, ratio):
    arrays, _ = arrays_of("enh_losses", request)
    found = [
        ratio(e[0, :n], t[0, :n])
        for e, t, n in zip(arrays["estimate"], arrays["target"], arrays["length"], strict=True)
    ]
    np.testing.assert_allclose(found, arrays[f"torchmetrics.{name}"], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_scores_of_speech_in_noise(request, name):
    arrays, notes = arrays_of("enh_metrics", request)
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    clean = arrays["clean_i16"][None] / np.float32(32768)
    for snr, expected in notes["cases"].items():
        noisy = arrays[f"noisy{snr}_i16"][None] / np.float32(32768)
        found = signal_scores(noisy, clean, 16000, [name])[name]
        np.testing.assert_allclose(found, expected[NAMES[name]], atol=1e-5)
