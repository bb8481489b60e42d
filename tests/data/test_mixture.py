"""Mixtures: ratios, levels, targets, what is held out, and that they follow from seed, epoch and number."""

import json
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile

from jaxspeech.data.columns.mixture import mixture_columns
from jaxspeech.data.loader import TrainingData
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.mixture import Mixtures
from jaxspeech.data.mixture_files import write_mixtures
from jaxspeech.data.mixture_options import parse_mixtures
from jaxspeech.data.noise import rms
from jaxspeech.data.noises import Noises
from jaxspeech.data.rng import generator
from jaxspeech.data.rooms import RecordedRooms, in_room
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ConfigError, ManifestError

RATE = 8000
TONES = {"hum.wav": 200, "hiss.wav": 3100}


class Rows(NamedTuple):
    samples: Any
    num_samples: Any
    targets: Any
    index: Any


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Speech of three speakers, two noises of one tone each, and two rooms with two sources and two microphones."""
    folder, rng = tmp_path_factory.mktemp("mixtures"), np.random.default_rng(0)

    def write(name, samples):
        soundfile.write(folder / name, samples, RATE, subtype="FLOAT")
        return {"audio_filepath": name, "duration": len(samples) / RATE}

    speech = [write(f"{i}.wav", 0.1 * rng.standard_normal(7000 + 400 * i)) | {"speaker": i % 3} for i in range(6)]
    times = np.arange(3 * RATE) / RATE
    noises = [write(name, 0.3 * np.sin(2 * np.pi * hz * times)) | {"kind": "noise"} for name, hz in TONES.items()]
    noises.append(write("rir.wav", np.eye(1, 400, 40)[0] + 0.3 * np.eye(1, 400, 300)[0]) | {"kind": "rir"})
    rooms = []
    for number in range(4):
        response = np.zeros((900, 2))
        response[[20, 600], 0], response[[23, 610], 1] = (0.8, 0.2 + 0.1 * number), (0.7, -0.3)
        direct = response * (np.arange(900) < 100)[:, None]
        line = write(f"room{number}.wav", response) | {"room": number // 2, "source": number % 2}
        rooms.append(line | {"direct_filepath": write(f"direct{number}.wav", direct)["audio_filepath"]})
    for name, lines in (("speech", speech), ("noises", noises), ("rooms", rooms)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def options(folder, **changes):
    return parse_mixtures({"noise": str(folder / "noises.jsonl"), "noises": [1, 1]} | changes)


def columns(folder, *, train=True, seed=0, **changes):
    manifest = Manifest(folder / "speech.jsonl")
    made, _ = mixture_columns(manifest, options(folder, **changes), sample_rate=RATE, train=train, seed=seed)
    return made


def rows(made, example=1, **variant):
    return [made[name].row(example, Variant(index=example, **variant)) for name in ("samples", "targets")]


def ratio_db(x, y):
    return 20 * np.log10(rms(x) / rms(y))


def test_ratio_and_level_are_as_drawn(folder):
    made = columns(folder, snr_db=[3, 3], level_db=[-30, -30], targets=["talker", "noise"])
    samples, (talker, noise) = rows(made, speed=1.1, before=0.05)
    assert samples.shape == (1, len(talker)) and samples.dtype == np.float32
    np.testing.assert_allclose(samples[0], talker + noise, atol=1e-6)
    assert ratio_db(talker, noise) == pytest.approx(3, abs=0.01)
    assert 20 * np.log10(rms(talker)) == pytest.approx(-30, abs=0.01)
    loud = rows(columns(folder, snr_db=[0, 0], level_db=[10, 10]))[0]
    assert np.abs(loud).max() == pytest.approx(0.99, abs=1e-3)


def test_some_mixtures_are_clean(folder):
    made = columns(folder, snr_db=[0, 0], clean=0.25, clean_snr_db=[40, 40], targets=["talker", "noise"])
    found = [ratio_db(*rows(made, epoch=epoch)[1]) for epoch in range(60)]
    clean = np.mean(np.array(found) > 20)
    assert 0.1 < clean < 0.45 and all(min(abs(x), abs(x - 40)) < 0.1 for x in found)
    untouched = columns(folder, noise_probability=0)
    np.testing.assert_array_equal(*rows(untouched))


def test_noises_that_are_held_out_are_not_trained_on(folder):
    def heard(train, **changes):
        """The tones of the noise."""
        made = columns(folder, train=train, held_out=["hiss.wav"], targets=["noise"], **changes)
        spectra = [np.abs(np.fft.rfft(rows(made, epoch=epoch)[1][0])) for epoch in range(3)]
        return {round(s.argmax() * RATE / 2 / (len(s) - 1), -2) for s in spectra}

    assert heard(train=True) == {200} and heard(train=False) == {3100}
    faster = heard(train=True, noise_speed=[2, 2])
    assert faster == {400}
    with pytest.raises(ConfigError, match=r"held_out: hum.flac is no file of .*noises.jsonl; did you mean \"hum.wav\""):
        columns(folder, held_out=["hum.flac"])
    with pytest.raises(ConfigError, match="all of its recordings of noise are held out"):
        columns(folder, held_out=[*TONES])


def test_talkers_have_their_ratio_and_their_targets(folder):
    changes = {"talkers": [2, 2], "sir_db": [6, 6], "noise_probability": 0, "targets": ["talker", "talker", "talker"]}
    samples, (first, second, third) = rows(columns(folder, **changes))
    np.testing.assert_allclose(samples[0], first + second, atol=1e-6)
    assert ratio_db(first, second) == pytest.approx(6, abs=0.01) and not third.any()
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


def test_microphones_hear_a_room(folder):
    rooms = {"rooms": str(folder / "rooms.jsonl"), "channels": 2, "snr_db": [0, 0]}
    whole, direct = (
        rows(columns(folder, keep=keep, targets=["talker", "noise"], **rooms)) for keep in ("all", "direct")
    )
    (samples, targets), (same, dry) = whole, direct
    assert samples.shape == (2, targets.shape[1])
    np.testing.assert_array_equal(samples, same)
    np.testing.assert_allclose(samples[0], targets.sum(0), atol=1e-5)
    # The direct sound is the talker's own samples, not delayed: what is left is the echo, 580 samples later.
    echo = targets[0] - dry[0]
    assert np.abs(echo[:580]).max() < 1e-4
    share = echo[580:] @ dry[0, :-580] / (dry[0, :-580] @ dry[0, :-580])
    assert min(abs(share - x / 0.8) for x in (0.2, 0.3, 0.4, 0.5)) < 1e-3
    # The second microphone hears it 3 samples later.
    alone: dict[str, Any] = rooms | {"noise_probability": 0}
    talker_alone = rows(columns(folder, **alone))[0]
    spectra = np.fft.rfft(talker_alone, 1 << 15)
    assert np.fft.irfft(spectra[1] * spectra[0].conj()).argmax() == 3


def test_rooms_of_one_microphone(folder):
    found = RecordedRooms(str(folder / "noises.jsonl"), channels=1, sample_rate=RATE)(generator(0, 0, 0), 2)
    assert (
        len(found) == 2 and found[0].start == 40 and found[0].direct.shape[1] < 100 and found[0].full.shape == (1, 400)
    )
    impulse = np.eye(1, 500, 7, dtype=np.float32)[0]
    np.testing.assert_allclose(in_room(impulse, found[0].full, 40)[0].argmax(), 7)
    with pytest.raises(ManifestError, match=r"rir.wav: has 1 channel, mixtures.channels is 3"):
        RecordedRooms(str(folder / "noises.jsonl"), channels=3, sample_rate=RATE)(generator(0, 0, 0), 1)
    simulated = rows(columns(folder, rooms={"rooms": 2, "rt60": [0.1, 0.15]}, keep="early", channels=2))
    assert simulated[0].shape[0] == 2 and np.isfinite(simulated[0]).all()


def test_rows_follow_from_seed_epoch_and_number(folder):
    changes = {"generated": 0.4, "babble": 0.3, "noises": [1, 2], "noise_filter_db": 6, "noise_speed": [0.8, 1.2]}
    one, two = columns(folder, **changes), columns(folder, **changes)
    wanted = [rows(one, example, epoch=epoch)[0] for example in range(3) for epoch in range(2)]
    again = [rows(two, example, epoch=epoch)[0] for example in reversed(range(3)) for epoch in (1, 0)][::-1]
    for x, y in zip(wanted, again, strict=True):
        np.testing.assert_array_equal(x, y)
    assert not np.array_equal(wanted[0], wanted[1])
    assert not np.array_equal(wanted[0], rows(columns(folder, seed=1, **changes), 0)[0])
    still = [rows(columns(folder, train=False), 2, epoch=epoch)[0] for epoch in range(2)]
    np.testing.assert_array_equal(*still)


def test_batches_are_the_same_for_any_start_and_number_of_processes(folder):
    def batches(start=0, **share):
        manifest, shape = Manifest(folder / "speech.jsonl"), {"buckets": 1, "batch_seconds": 9, "batch_size": 4}
        made, _ = mixture_columns(manifest, options(folder, generated=0.5), sample_rate=RATE, train=True)
        data = TrainingData(manifest, made, Rows, data_shards=2, **shape, **share)
        stream = data.batches(start)
        return [next(stream) for _ in range(5 - start)]

    whole, resumed = batches(), batches(3)
    assert whole[0].samples.shape[:2] == (4, 1) == whole[0].targets.shape[:2]
    for name in Rows._fields:
        np.testing.assert_array_equal(getattr(whole[3], name), getattr(resumed[0], name))
    halves = [batches(process_index=i, process_count=2) for i in range(2)]
    for step in range(5):
        together = np.concatenate([half[step].samples for half in halves])
        np.testing.assert_array_equal(together, whole[step].samples)
    assert whole[0].num_samples[0] > 6000 and not whole[0].targets[0, 0, whole[0].num_samples[0] :].any()


def test_computed_noises_differ(folder):
    noises = Noises(parse_mixtures({"generated": 1.0}), sample_rate=RATE, speech=None)
    found = [noises(generator(0, 0, number), 4000) for number in range(24)]
    assert all(np.isfinite(x).all() and rms(x) == pytest.approx(1, abs=1e-3) for x in found)
    np.testing.assert_array_equal(found[3], noises(generator(0, 0, 3), 4000))
    flatness = [np.exp(np.log(p).mean()) / p.mean() for x in found if (p := np.abs(np.fft.rfft(x)[1:]) ** 2).all()]
    assert min(flatness) < 0.05 and max(flatness) > 0.15  # tones, and noise of all frequencies


def test_silence_gets_no_noise(folder):
    mixtures = Mixtures(options(folder), sample_rate=RATE)
    found = mixtures(np.zeros(800, np.float32), generator(0, 0, 0))
    assert not found.samples.any() and not found.targets.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snr": [0, 1]}, r'mixtures.snr: no such field; did you mean "snr_db"'),
        ({"snr_db": [5, 0]}, r"mixtures.snr_db is \(5, 0\); it is \(least, most\)"),
        ({"clean": 2}, "mixtures.clean is 2; it is a share from 0 to 1"),
        ({"noises": [0, 1]}, "mixtures.noises is .* numbers of 1 or more"),
        ({"noise_speed": [0.1, 1]}, "factors between 0.25 and 4"),
        ({"targets": ["speech"]}, "each is 'talker' or 'noise'"),
        ({"keep": "earl"}, "mixtures.keep is 'earl'; did you mean \"early\""),
        ({"channels": 2}, "several microphones need mixtures.rooms"),
        ({"noise": ""}, "mixtures.noise is empty"),
        ({"rooms": {"rt": 1}}, 'mixtures.rooms.rt: no such field; did you mean "rt60"'),
        ({"rooms": {"rt60": [0, 9]}}, "mixtures.rooms.rt60 is"),
        ({"rooms": 3}, "mixtures.rooms is 3; it is a manifest, or how rooms are simulated"),
        ({"sets": {"dev": {"snr": 1}}}, "mixtures.sets.dev.snr: no such field"),
        ({"sets": {"dev": {"clean": 3}}}, "mixtures.sets.dev.clean is 3"),
    ],
)
def test_invalid_options(changes, message):
    with pytest.raises(ConfigError, match=message):
        parse_mixtures({"noise": "a.jsonl"} | changes)


def test_sets_differ_from_training():
    found = parse_mixtures({"noise": "a.jsonl", "clean": 0.5, "sets": {"dev": {"snr_db": [0, 0], "clean": 0.0}}})
    assert found.for_set("dev").snr_db == (0, 0) and found.for_set("dev").clean == 0 and found.for_set("x") is found


def test_mixtures_are_written_with_their_targets(folder, tmp_path):
    chosen = options(folder, snr_db=[0, 0], rooms=str(folder / "rooms.jsonl"), channels=2)
    path, unusable = write_mixtures([str(folder / "speech.jsonl")], chosen, tmp_path / "a", sample_rate=RATE)
    again, _ = write_mixtures([str(folder / "speech.jsonl")], chosen, tmp_path / "b", sample_rate=RATE, suffix="wav")
    entries, others = list(Manifest(path)), list(Manifest(again))
    assert len(entries) == 6 and not unusable and entries[2].fields["speaker"] == 2
    for entry, other in zip(entries, others, strict=True):
        noisy, _ = soundfile.read(entry.path)
        clean, _ = soundfile.read(path.parent / entry.fields["target_filepath"])
        assert noisy.shape == (len(clean), 2) and ratio_db(clean, noisy[:, 0] - clean) == pytest.approx(0, abs=0.05)
        np.testing.assert_array_equal(noisy, soundfile.read(other.path)[0])
