"""The augmentation chain and its config."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jaxspeech.audio.resample import resample
from jaxspeech.data.augment import Augment, parse_augment
from jaxspeech.data.noise import rms
from jaxspeech.data.rng import generator
from jaxspeech.errors import ConfigError, ManifestError

RATE = 8000
SPEECH = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)


def apply(config, *, speed=1.0, before=0.0, after=0.0, example=0):
    augment = Augment(parse_augment(config), sample_rate=RATE)
    return augment(SPEECH, speed=speed, before=before, after=after, rng=generator(0, 0, example))


def test_nothing_changes_by_default():
    np.testing.assert_array_equal(apply({}), SPEECH)
    np.testing.assert_array_equal(apply({"noise": {}, "rir": None, "white_noise": {}}), SPEECH)


def test_speed_and_padding_are_as_planned():
    out = apply({}, speed=0.8, before=0.25, after=0.125)
    assert len(out) == RATE * 10 // 8 + 3000
    assert not out[:2000].any() and not out[-1000:].any()
    np.testing.assert_array_equal(out[2000:-1000], resample(SPEECH, 0.8, 1.0))


def test_negative_silence_cuts_speech_away():
    np.testing.assert_array_equal(apply({}, before=-0.1, after=-0.25), SPEECH[800:-2000])
    np.testing.assert_array_equal(apply({}, before=-0.1, after=0.01), np.append(SPEECH[800:], np.zeros(80)))


def test_a_short_stretch_of_a_long_recording_is_as_if_all_had_been_resampled():
    speech = np.sin(np.cumsum(np.linspace(0.01, 0.1, 12 * RATE))).astype(np.float32)
    cut = Augment(parse_augment({}), sample_rate=RATE)(
        speech, speed=1.1, before=-4.0, after=-5.0, rng=generator(0, 0, 0)
    )
    whole = resample(speech, 1.1, 1.0)[4 * RATE : -5 * RATE]
    assert abs(len(cut) - len(whole)) <= 2
    np.testing.assert_allclose(cut[2 : len(whole) - 2], whole[2 : len(whole) - 2], atol=0.1)  # to a sample


def test_gain_is_in_its_range():
    changes = [20 * np.log10(rms(apply({"gain_db": [-3, 6]}, example=i)) / rms(SPEECH)) for i in range(60)]
    assert -3 <= min(changes) < -2 and 5 < max(changes) <= 6


def test_a_part_happens_as_often_as_its_probability():
    changed = [not np.array_equal(apply({"white_noise": {"probability": 0.25}}, example=i), SPEECH) for i in range(400)]
    assert 0.17 < np.mean(changed) < 0.33


@pytest.mark.parametrize("loudness_db", [-20, 0])
def test_white_noise_has_its_ratio_to_the_speech(loudness_db):
    speech = np.float32(10 ** (loudness_db / 20)) * SPEECH
    config = {"white_noise": {"snr_db": [20, 20], "probability": 1}, "gain_db": [-6, -6]}
    noisy = Augment(parse_augment(config), sample_rate=RATE)(
        speech, speed=1.0, before=1.0, after=0.0, rng=generator(0, 0, 0)
    )
    noise = noisy - np.pad(speech, (RATE, 0)) * np.float32(10 ** (-6 / 20))
    np.testing.assert_allclose(20 * np.log10(rms(noise) / rms(speech)), -26.0, atol=0.1)


@pytest.fixture
def sounds(tmp_path):
    response = np.zeros(400, np.float32)
    response[[0, 150]] = 0.9, 0.5
    soundfile.write(tmp_path / "room.wav", response, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "hum.wav", 0.5 * np.sin(np.arange(4 * RATE) / 9), RATE)
    lines = [
        {"audio_filepath": "room.wav", "duration": 0.05, "kind": "rir"},
        {"audio_filepath": "hum.wav", "duration": 4.0, "kind": "noise"},
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(tmp_path / "m.jsonl")


def test_noise_of_a_manifest_at_its_ratio(sounds):
    added = apply({"noise": {"manifest": sounds, "snr_db": [10, 10], "probability": 1}}, before=1.0)
    added[RATE:] -= SPEECH
    np.testing.assert_allclose(20 * np.log10(rms(SPEECH) / rms(added)), 10.0, atol=0.05)
    spectrum = np.abs(np.fft.rfft(added))
    assert abs(spectrum.argmax() * RATE / len(added) - RATE / 9 / 2 / np.pi) < 2


def test_room_of_a_manifest(sounds):
    wet = apply({"rir": {"manifest": sounds, "probability": 1}})
    echoed = 0.9 * SPEECH + 0.5 * np.pad(SPEECH, (150, 0))[: len(SPEECH)]
    np.testing.assert_allclose(wet, echoed * rms(SPEECH) / rms(echoed), atol=1e-4)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"sped": [1.0]}, 'augment.sped: no such field; did you mean "speed"'),
        ({"noise": {"manifest": "m", "snr": 3}}, 'augment.noise.snr: no such field; did you mean "snr_db"'),
        ({"noise": {"probability": 1.0}}, "augment.noise: missing.*'manifest'"),
        ({"noise": "m.jsonl"}, "augment.noise: 'm.jsonl' is not a set of fields"),
        ({"speed": [0.0]}, "factors between"),
        ({"pad_seconds": -1.0}, "must not be negative"),
        ({"crop_seconds": -1.0}, "must not be negative"),
        ({"crop_to": [3.0, 2.0]}, r"crop_to: \[3.0, 2.0\] must be the least and the most seconds"),
    ],
)
def test_config_mistakes(config, message):
    with pytest.raises(ConfigError, match=message):
        parse_augment(config)


def test_a_manifest_without_the_kind(sounds, tmp_path):
    (tmp_path / "rirs.jsonl").write_text(Path(sounds).read_text().splitlines()[0])
    with pytest.raises(ConfigError, match=r"rirs\.jsonl: holds no recording with kind 'noise'"):
        Augment(parse_augment({"noise": {"manifest": str(tmp_path / "rirs.jsonl")}}), sample_rate=RATE)
    with pytest.raises(ManifestError, match="no such manifest"):
        Augment(parse_augment({"noise": {"manifest": "nowhere.jsonl"}}), sample_rate=RATE)


@pytest.mark.parametrize("part", ["noise", "white_noise"])
def test_noise_is_measured_by_the_speech_that_the_equaliser_leaves(sounds, part):
    augment = {"equalize": {"gain_db": 0, "low_pass_hz": [500, 500], "probability": 1}}
    quiet = apply(augment)
    noise = {"snr_db": [10, 10], "probability": 1} | ({"manifest": str(sounds)} if part == "noise" else {})
    noisy = apply(augment | {part: noise})
    assert rms(quiet) < 0.5 * rms(SPEECH)
    np.testing.assert_allclose(20 * np.log10(rms(quiet) / rms(noisy - quiet)), 10.0, atol=0.2)


def test_simulated_rooms_reverberate_what_recorded_ones_have_left_dry():
    click = np.zeros(RATE, np.float32)
    click[1000] = 0.5
    config = {"room": {"rooms": 2, "rt60": [0.2, 0.3], "distance": [1.0, 2.0], "probability": 1.0}}
    augment = Augment(parse_augment(config), sample_rate=RATE)
    found = [augment(click, speed=1, before=0, after=0, rng=generator(0, 0, i)) for i in range(8)]
    assert all(np.abs(x).argmax() == 1000 and len(x) == RATE for x in found)
    assert all(rms(x) == pytest.approx(rms(click), rel=1e-3) and rms(x[1100:2500]) > 0.02 * rms(x) for x in found)
    assert len({x.tobytes() for x in found}) in range(2, 2 * 3 + 1)
    with pytest.raises(ConfigError, match=r"augment\.room\.rt60 is"):
        parse_augment({"room": {"rt60": [0.2, 20.0]}})
    with pytest.raises(ConfigError, match=r'augment\.room\.rt: no such field; did you mean "rt60"'):
        parse_augment({"room": {"rt": 1}})
