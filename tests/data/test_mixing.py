"""Mixing with noise or other talkers: ratios, what stays clean, and that all follows from seed, epoch and number."""

import json
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile

from jaxspeech import jobs
from jaxspeech.builder import build
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.mixed import mixed_columns
from jaxspeech.data.loader import TrainingData
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.mixing import Segment, mix, parse_mixing
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.jobs.job import Placement
from tests.contract.cases import RECOGNITION
from tests.tiny_recipe import get_config

RATE = 8000
# Of each speaker's utterances, and of the noise, by which they are found in a mixture.
TONES, HUM = {"ann": 500, "bob": 1500, "cem": 2500}, 3500


class Rows(NamedTuple):
    samples: Any
    num_samples: Any
    noisy_samples: Any
    index: Any


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two utterances each of three speakers, and noise; each is a tone."""
    folder = tmp_path_factory.mktemp("mixing")

    def write(name, hz, size):
        samples = 0.3 * np.sin(0.1 + 2 * np.pi * hz / RATE * np.arange(size))
        soundfile.write(folder / name, samples, RATE, subtype="FLOAT")
        return {"audio_filepath": name, "duration": size / RATE}

    speech = [
        write(f"{name}{i}.wav", hz, 6000 + 400 * i) | {"speaker": name} for name, hz in TONES.items() for i in (0, 1)
    ]
    noises = [write("hum.wav", HUM, 5000) | {"kind": "noise"}, write("rir.wav", 100, 400) | {"kind": "rir"}]
    for name, lines in (("speech", speech), ("noises", noises)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def columns(folder, *, train=True, seed=0, **changes):
    manifest = Manifest(folder / "speech.jsonl")
    options = parse_mixing({"noise": str(folder / "noises.jsonl"), "probability": 1.0} | changes)
    plain = audio(manifest, sample_rate=RATE)
    return mixed_columns(plain, manifest, options, sample_rate=RATE, train=train, seed=seed)[0]


def added(made, example=1, **variant):
    """What is added to the utterance of an example."""
    clean, noisy = (made[name].row(example, Variant(index=example, **variant)) for name in ("samples", "noisy_samples"))
    assert clean.shape == noisy.shape and noisy.dtype == np.float32
    return clean, noisy - clean


def strongest(samples):
    """The frequency with the most energy."""
    return np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples)


@pytest.mark.parametrize("level", ["utterance", "source"])
def test_the_ratio_is_as_drawn(folder, level):
    options = {"level": level, "noise_db": [6, 6], "noise_share": 1.0, "share": [0.25, 0.25], "segments": [3, 3]}
    clean, noise = added(columns(folder, **options))
    heard = noise != 0
    assert heard.mean() == pytest.approx(0.25, abs=0.01) and abs(strongest(noise[heard]) - HUM) < 200
    # Over all of the utterance, or where it sounds.
    energy = np.mean(noise**2) if level == "utterance" else np.mean(noise[heard] ** 2)
    assert 10 * np.log10(np.mean(clean**2) / energy) == pytest.approx(6, abs=0.1)


def test_other_talkers_are_of_other_speakers(folder):
    made, found = columns(folder, noise_share=0.0, share=[0.2, 0.9], segments=[1, 3], speakers=[1, 2]), set()
    for example in range(6):
        for epoch in range(6):
            _, other = added(made, example, epoch=epoch)
            nearest = min(TONES, key=lambda name: abs(TONES[name] - strongest(other)))
            found.add((example // 2, [*TONES].index(nearest)))
    assert len(found) == 6 and all(one != other for one, other in found)


def test_the_rows_that_are_passed_over_stay_clean(folder):
    made = columns(folder, probability=0.5)
    loud = [bool(np.any(added(made, 1, epoch=epoch)[1])) for epoch in range(40)]
    assert 8 < sum(loud) < 32
    assert not any(np.any(added(columns(folder, probability=0.0), 1, epoch=epoch)[1]) for epoch in range(3))


def test_draws_follow_from_the_seed_the_epoch_and_the_number(folder):
    made, again = columns(folder), columns(folder)
    one = added(made, 2, epoch=3, speed=1.1)[1]
    np.testing.assert_array_equal(one, added(again, 2, epoch=3, speed=1.1)[1])
    assert not np.array_equal(one, added(made, 2, epoch=4, speed=1.1)[1])
    assert not np.array_equal(one, added(columns(folder, seed=1), 2, epoch=3, speed=1.1)[1])
    fixed = columns(folder, train=False)
    np.testing.assert_array_equal(added(fixed, 2)[1], added(fixed, 2, epoch=4)[1])


def test_a_resumed_run_reads_the_same_mixtures(folder):
    def data():
        manifest = Manifest(folder / "speech.jsonl")
        options = {"buckets": 1, "batch_size": 2, "batch_seconds": 10.0, "seed": 0, "num_threads": 2}
        return TrainingData(manifest, columns(folder), Rows, **options)

    whole = data().batches()
    batches = [next(whole) for _ in range(5)]
    later = data().batches(3)
    for batch in batches[3:]:
        for ours, again in zip(batch, next(later), strict=True):
            np.testing.assert_array_equal(ours, again)
    assert any(np.any(batch.samples != batch.noisy_samples) for batch in batches)


def test_edges():
    samples = np.ones(10, np.float32)
    assert mix(samples, [np.zeros(3, np.float32)], [Segment(0, 0, 2, 4)], ratio_db=0.0) is samples
    found = mix(samples, [np.array([1.0, 2.0], np.float32)], [Segment(0, 1, 0, 5)], ratio_db=0.0) - 1
    np.testing.assert_allclose(found / found[1], [2, 1, 2, 1, 2, 0, 0, 0, 0, 0], rtol=1e-6)
    silent = np.zeros(10, np.float32)
    np.testing.assert_array_equal(mix(silent, [samples], [Segment(0, 0, 0, 5)], ratio_db=0.0), silent)


def test_one_utterance_alone_is_not_mixed_with_itself(folder):
    line = (folder / "speech.jsonl").read_text().splitlines()[0]
    (folder / "one.jsonl").write_text(line + "\n")
    manifest, options = Manifest(folder / "one.jsonl"), parse_mixing({"noise_share": 0.0, "probability": 1.0})
    made, _ = mixed_columns(audio(manifest, sample_rate=RATE), manifest, options, sample_rate=RATE)
    assert not np.any(added(made, 0)[1])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"nois": "a.jsonl"}, "mixing.nois: no such field"),
        ({"noise": "a.jsonl", "probability": 2}, "mixing.probability is 2"),
        ({"noise": "a.jsonl", "share": [0.5, 1.5]}, "mixing.share is"),
        ({"noise": "a.jsonl", "speech_db": [5, 3]}, "mixing.speech_db is"),
        ({"noise": "a.jsonl", "segments": [0, 2]}, "mixing.segments is"),
        ({"noise": "a.jsonl", "speakers": [3, 2]}, "mixing.speakers is"),
        ({"noise": "a.jsonl", "level": "sauce"}, "source"),
        ({}, "mixing.noise is empty"),
    ],
)
def test_options_are_checked(fields, words):
    with pytest.raises(ConfigError) as error:
        parse_mixing(fields)
    assert words in str(error.value)


def test_a_manifest_that_is_missing_is_named(folder):
    with pytest.raises(ManifestError, match=r"missing\.jsonl"):
        columns(folder, noise=str(folder / "missing.jsonl"))


def test_a_recogniser_hears_other_talkers_in_training_alone(tones):
    config = get_config(str(tones)).to_dict()
    config["augment"] |= {"speed": (1.0,), "gain_db": (0.0, 0.0)}

    def rows(**mixing):
        settings = config | {"mixing": {"noise_share": 0.0, **mixing}}
        job = jobs.find_job(RECOGNITION["ctc"])
        manifest = job.source(settings, print)
        assets = job.assets(settings, manifest, {})
        task = build(job.sized(RECOGNITION["ctc"], assets))
        data = job.data(settings, manifest, assets, task, Placement(), print)
        return next(data.train.batches()), next(data.eval["dev"].batches())

    (noisy, scored), (clean, same) = rows(probability=1.0), rows(probability=0.0)
    assert (noisy.samples != clean.samples).any(1).all()
    np.testing.assert_array_equal(noisy.labels, clean.labels)
    np.testing.assert_array_equal(scored.samples, same.samples)
    with pytest.raises(ConfigError, match=r"mixing\.speekers"):
        rows(speekers=2)


def test_recordings_that_are_made_are_not_mixed(tones):
    class Made(Manifest):
        """A manifest whose samples are not those of its files."""

    settings = get_config(str(tones)).to_dict() | {"mixing": {"noise_share": 0.0}}
    job, made = jobs.find_job(RECOGNITION["ctc"]), Made(tones / "train.jsonl")
    task = build(job.sized(RECOGNITION["ctc"], job.assets(settings, made, {})))
    with pytest.raises(ConfigError, match="mixing needs recordings"):
        job.data(settings, made, {}, task, Placement(), print)
