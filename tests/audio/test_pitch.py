"""Tests the pitch of sounds whose pitch is known, and what is kept of it."""

import numpy as np
import pytest

from jaxspeech.audio import pitch as module
from jaxspeech.audio.pitch import PitchRange, extract_pitch
from jaxspeech.audio.pitch_cache import PitchCache
from jaxspeech.audio.pitch_statistics import PitchStatistics, PitchSums
from jaxspeech.errors import ConfigError

RATE, HOP = 16000, 200


@pytest.fixture(scope="module")
def voiced():
    """A buzz that slides from 120 to 200 Hz, then a pause: the samples, and the pitch at each frame."""
    pytest.importorskip("parselmouth")
    time = np.arange(int(1.2 * RATE)) / RATE
    hertz = 120 + 80 * np.minimum(time, 1)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 6))
    samples = np.where(time < 1, 0.1 * buzz, 0).astype(np.float32)
    return samples, np.where(time < 1, hertz, 0)[::HOP]


def test_frames_are_those_of_a_spectrogram(voiced, monkeypatch):
    samples, expected = voiced
    found = extract_pitch(samples, RATE, hop=HOP)
    assert found.dtype == np.float32 and len(found) == len(samples) // HOP + 1
    # Half a window on each side of a border, a frame is of neither kind.
    inside = slice(3, 76)
    np.testing.assert_allclose(found[inside], expected[inside], rtol=5e-3)
    assert not found[84:].any()
    for size in (len(samples) - 1, len(samples) + 131):
        other = extract_pitch(np.pad(samples, (0, 200))[:size], RATE, hop=HOP)
        np.testing.assert_allclose(other[inside], expected[inside], rtol=5e-3)
    # In parts of a quarter of a second.
    monkeypatch.setattr(module, "LONGEST", 0.25)
    monkeypatch.setattr(module, "OVERLAP", 0.1)
    np.testing.assert_allclose(extract_pitch(samples, RATE, hop=HOP)[inside], found[inside], rtol=5e-3)


def test_silence_and_wrong_ranges():
    assert not extract_pitch(np.zeros(1000, np.float32), RATE, hop=HOP).any()
    assert extract_pitch(np.zeros(0, np.float32), RATE, hop=HOP).shape == (1,)
    for wrong in (PitchRange(300, 200), PitchRange(5, 200), PitchRange(65, 9000)):
        with pytest.raises(ConfigError, match="must lie between 20 and 8000 Hz"):
            extract_pitch(np.ones(100, np.float32), RATE, hop=HOP, within=wrong)


def test_praat_is_asked_once_for_a_content(voiced, tmp_path, monkeypatch):
    cache = PitchCache(tmp_path / "pitch", HOP)
    first = cache(voiced[0], RATE)
    (file,) = (tmp_path / "pitch").rglob("*.npy")
    monkeypatch.setattr(module, "praat", lambda: pytest.fail("not from the folder"))
    np.testing.assert_array_equal(cache(voiced[0].copy(), RATE), first)
    monkeypatch.undo()
    file.write_bytes(file.read_bytes()[:-5])
    np.testing.assert_array_equal(cache(voiced[0], RATE), first)
    cache._replace(within=PitchRange(80, 300))(voiced[0], RATE)
    assert len(list((tmp_path / "pitch").rglob("*.npy"))) == 2


def test_a_missing_library_is_one_line(monkeypatch):
    monkeypatch.setattr(module.importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    with pytest.raises(ConfigError, match=r"pip install \"jaxspeech\[synthesis\]\""):
        extract_pitch(np.ones(100, np.float32), RATE, hop=HOP)


def test_statistics_of_voiced_frames():
    rows = [np.array(row, np.float32) for row in ([0, 100, 120, 0], [0, 0], [140])]
    sums = PitchSums()
    for row in rows:
        sums = sums.add(row)
    statistics = sums.statistics()
    np.testing.assert_allclose(statistics, (120, np.std([100, 120, 140])), rtol=1e-6)
    np.testing.assert_allclose(statistics.normalize(rows[0]), [0, -20 / statistics.std, 0, 0], rtol=1e-6)
    assert PitchSums().statistics() == PitchStatistics(0, 1)
    assert PitchSums().add(np.full(9, 200.0)).statistics() == PitchStatistics(200, 1)
