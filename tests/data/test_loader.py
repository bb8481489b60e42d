"""Batches: their content, which depends on the step alone, and the effect of broken input."""

import itertools
import json

import jax
import numpy as np
import pytest
import soundfile

from jaxspeech.data.augment import parse_augment
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.prefetch import begun, prefetch
from jaxspeech.data.problems import Problems
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.text.char import CharTokenizer
from tests.data.recognition import evaluation_data, training_data

RATE = 8000
TOKENIZER = CharTokenizer("abc ")
DURATIONS = np.random.default_rng(0).uniform(0.2, 1.5, 23).round(3)
AUGMENT = {
    "speed": [0.8, 1, 1.2],
    "pad_seconds": 0.1,
    "gain_db": [-6, 6],
    "white_noise": {"level_db": [-60, -40]},
    "equalize": {"gain_db": 6},
}


@pytest.fixture
def corpus(tmp_path):
    rng = np.random.default_rng(1)
    lines = []
    for i, seconds in enumerate(DURATIONS):
        values = rng.integers(-9000, 9000, round(seconds * RATE)).astype(np.int16)
        soundfile.write(tmp_path / f"{i}.flac", values, RATE)
        text = "".join(rng.choice(list("abc "), rng.integers(1, 20)))
        lines.append({"audio_filepath": f"{i}.flac", "duration": seconds, "text": text})
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def quiet(**options):
    return Problems(report=lambda line: None, **options)


def training(corpus, *, augment=AUGMENT, problems=None, **options):
    options = {"sample_rate": RATE, "buckets": 3, "batch_seconds": 6, "batch_size": 6, "seed": 5} | options
    manifest = Manifest(corpus / "train.jsonl", problems=quiet() if problems is None else problems)
    return training_data(manifest, TOKENIZER, augment=augment and parse_augment(augment), **options)


def take(data, steps, start=0):
    return list(itertools.islice(data.batches(start), steps))


def assert_same(batches, others):
    assert len(batches) == len(others)
    for batch, other in zip(batches, others, strict=True):
        for a, b in zip(batch, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_epoch_shows_every_example_once_with_its_audio_and_labels(corpus):
    data = training(corpus, augment=None)
    seen = []
    for batch in take(data, data.steps_per_epoch):
        assert jax.tree.map(np.shape, batch) in [jax.tree.map(np.shape, shape.arrays) for shape in data.batch_shapes]
        assert {str(a.dtype) for a in jax.tree.leaves(batch)} == {"float32", "int32"}
        for row, index in enumerate(batch.index):
            n, u = batch.num_samples[row], batch.num_labels[row]
            assert not batch.samples[row, n:].any() and not batch.labels[row, u:].any()
            if index < 0:
                assert n == u == 0
                continue
            seen.append(index)
            values, _ = soundfile.read(corpus / f"{index}.flac", dtype="float32")
            np.testing.assert_array_equal(batch.samples[row, :n], values)
            assert TOKENIZER.decode(batch.labels[row, :u]) == " ".join(data.fields(index)["text"].split())
    assert sorted(seen) == list(range(len(DURATIONS))) and not len(data.problems)


@pytest.mark.parametrize(
    "options", [{"num_threads": 1}, {"num_threads": 4}, {"cache_bytes": 0}, {"cache_bytes": 30_000}]
)
def test_threads_and_cache_change_nothing(corpus, options):
    assert_same(take(training(corpus), 25), take(training(corpus, **options), 25))


@pytest.mark.parametrize("start", [1, 7, 16])
def test_resumed_at_any_step_the_batches_are_the_same(corpus, start):
    assert_same(take(training(corpus), 25)[start:], take(training(corpus), 25 - start, start))


def test_epochs_and_seeds_differ(corpus):
    first, other = training(corpus), training(corpus, seed=6)
    epochs = [take(first, 4, s) for s in (0, first.steps_per_epoch)] + [take(other, 4)]
    indices = {tuple(np.concatenate([b.index for b in batches])) for batches in epochs}
    assert len(indices) == 3


def test_an_example_sounds_different_in_each_epoch(corpus):
    data = training(corpus, augment={"white_noise": {"probability": 1}})
    heard = [
        batch.samples[row, :100]
        for batch in take(data, 3 * data.steps_per_epoch)
        for row in np.flatnonzero(batch.index == 4)
    ]
    assert len(heard) == 3 and len(np.unique(heard, axis=0)) == 3


def test_stretched_audio_is_never_cut(corpus):
    data, heard = training(corpus, augment={"speed": [0.8, 1.2], "pad_seconds": 0.1}), []
    for batch in take(data, 10 * data.steps_per_epoch):
        for index, n in zip(batch.index, batch.num_samples, strict=True):
            if index >= 0:
                heard.append(n / RATE / DURATIONS[index])
    assert not len(data.problems)
    assert min(heard) < 0.9 and max(heard) > 1.2


def test_examples_with_a_weight_above_one_differ_between_copies(corpus):
    manifest = Manifest({"path": corpus / "train.jsonl", "weight": 2}, problems=quiet())
    augment = parse_augment({"white_noise": {"probability": 1}})
    data = training_data(
        manifest, TOKENIZER, sample_rate=RATE, buckets=[2], batch_seconds=200, batch_size=46, augment=augment
    )
    (batch,) = take(data, 1)
    one, two = (batch.samples[row] for row in np.flatnonzero(batch.index == 4))
    assert np.abs(one - two).max() > 0


def test_processes_split_the_rows(corpus):
    whole = take(training(corpus, data_shards=2), 10)
    parts = [take(training(corpus, data_shards=2, process_index=i, process_count=2), 10) for i in range(2)]
    joined = [jax.tree.map(lambda *pair: np.concatenate(pair), a, b) for a, b in zip(*parts, strict=True)]
    assert_same(whole, joined)
    assert all(b.samples.shape[0] % 2 == 0 for b in whole)


def test_a_broken_file_is_a_filler_row_counted_once(corpus):
    (corpus / "3.flac").write_text("not audio")
    soundfile.write(corpus / "7.flac", np.zeros(100, np.float32), RATE)  # much shorter than its line says
    said = []
    data = training(corpus, problems=Problems(report=said.append))
    for batch in take(data, 2 * data.steps_per_epoch):
        assert not set(batch.index) & {3, 7}
        assert not batch.samples[batch.index < 0].any() and not batch.num_labels[batch.index < 0].any()
    assert len(data.problems) == len(said) == 2
    assert any("3.flac: not audio" in line for line in said) and any("7.flac: ends after" in line for line in said)


def test_too_many_broken_files_raise_in_the_main_thread(corpus):
    for i in range(5):
        (corpus / f"{i}.flac").unlink()
    data = training(corpus, problems=quiet(max_few=4))
    with pytest.raises(ManifestError, match=r"^5 of 23 examples are unusable .* no such file$"):
        take(data, data.steps_per_epoch)


def test_a_transcript_that_cannot_be_encoded_is_skipped_and_named(corpus):
    lines = (corpus / "train.jsonl").read_text().splitlines()
    lines[2] = json.dumps(json.loads(lines[2]) | {"text": "xyz"})
    (corpus / "train.jsonl").write_text("\n".join(lines))
    data = training(corpus)
    seen = np.concatenate([b.index for b in take(data, data.steps_per_epoch)])
    assert sorted(seen[seen >= 0]) == list(range(22))
    assert len(data.problems) == 1 and "2.flac: character 'x'" in data.problems.lines[0]


def test_a_last_bucket_below_the_longest_example_is_refused(corpus):
    with pytest.raises(ConfigError, match=r"longest example has 1\.\d+ s.*lower max_seconds"):
        training(corpus, buckets=[0.5, 1])


def test_evaluation_shows_everything_once_in_order_of_length(corpus):
    data = evaluation_data(
        Manifest(corpus / "train.jsonl"),
        TOKENIZER,
        sample_rate=2 * RATE,
        buckets=[0.5, 1],
        batch_seconds=6,
        batch_size=4,
    )
    batches = list(data.batches())
    order = np.concatenate([b.index for b in batches])
    order = order[order >= 0]
    assert sorted(order) == list(range(23)) and (np.diff(DURATIONS[order]) >= 0).all()
    assert len(batches) == data.num_batches
    lengths = np.concatenate([b.num_samples[b.index >= 0] for b in batches])
    np.testing.assert_allclose(lengths, DURATIONS[order] * 2 * RATE, atol=1)
    assert_same(batches, list(data.batches()))


def test_prefetch_runs_ahead_and_keeps_the_order(corpus):
    put = []

    def note(batch):
        put.append(batch)
        return jax.device_put(batch)

    batches = begun(prefetch(itertools.islice(training(corpus).batches(), 8), note, ahead=2))
    assert len(put) == 3
    first = next(batches)
    assert len(put) == 3 and isinstance(first.samples, jax.Array)
    assert_same([first, *batches], put)
    assert len(put) == 8


def test_real_speech(speech):
    manifest = Manifest(speech / "smoke" / "train.jsonl")
    tokenizer = CharTokenizer("abcdefghijklmnopqrstuvwxyz' ")
    rooms = {"manifest": str(speech / "noise_rir" / "manifest.jsonl"), "probability": 1.0}
    augment = parse_augment({"speed": [0.9, 1.0, 1.1], "rir": rooms, "noise": rooms | {"snr_db": [5, 20]}})
    data = training_data(
        manifest, tokenizer, sample_rate=16000, buckets=2, batch_seconds=60, batch_size=8, augment=augment
    )
    batches = take(data, data.steps_per_epoch)
    assert sum((b.index >= 0).sum() for b in batches) == 24 and not len(data.problems)
    assert all(np.isfinite(b.samples).all() and 0.001 < b.samples.std() < 1 for b in batches)


@pytest.mark.parametrize(
    ("augment", "buckets"),
    [({"crop_seconds": 1.0}, 8), ({"speed": [0.5], "crop_seconds": 0.3}, [0.8, 1.5]), ({"speed": [0.9]}, [0.8, 1.5])],
)
def test_labels_fit_where_speech_is_cut_away_or_may_not_be_slowed_down(tmp_path, augment, buckets):
    lines = []
    for i, seconds in enumerate(np.linspace(0.4, 1.5, 24)):
        soundfile.write(tmp_path / f"{i}.wav", np.zeros(round(seconds * RATE)), RATE)
        line = {"audio_filepath": f"{i}.wav", "duration": round(seconds * RATE) / RATE, "text": "a" * int(40 * seconds)}
        lines.append(json.dumps(line) + "\n")
    (tmp_path / "train.jsonl").write_text("".join(lines))
    data = training(tmp_path, augment=augment, buckets=buckets)
    for batch in take(data, 4 * data.steps_per_epoch):
        assert all(batch.num_labels[batch.index >= 0] >= 16)


def test_any_white_space_counts_as_one_space(corpus):
    lines = [json.loads(line) for line in (corpus / "train.jsonl").read_text().splitlines()]
    for line in lines:
        line["text"] = "\u00a0ab \t c\u2009a\n"
    (corpus / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    problems = quiet()
    data = training(corpus, problems=problems)
    [batch] = take(data, 1)
    assert len(problems) == 0
    for row in np.flatnonzero(batch.index >= 0):
        assert TOKENIZER.decode(batch.labels[row, : batch.num_labels[row]].tolist()) == "ab c a"
