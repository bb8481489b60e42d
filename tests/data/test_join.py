"""Joined utterances: every one once, within the limits, and the same for the same epoch; their audio and texts."""

import itertools
import json

import numpy as np
import pytest
import soundfile

from jaxspeech.data.augment import parse_augment
from jaxspeech.data.batching import Batching, planned_labels
from jaxspeech.data.buckets import Bucket, Cost
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.epochs import Epochs
from jaxspeech.data.join import ROUNDING_SECONDS, Join, group
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.errors import ConfigError
from jaxspeech.text.char import CharTokenizer
from tests.data.recognition import columns, training_data

RATE = 8000
TOKENIZER = CharTokenizer("abc ")


def test_groups_are_as_long_as_fits():
    rng = np.random.default_rng(0)
    seconds, labels = rng.uniform(0.2, 4, 300), rng.integers(0, 30, 300)
    join, most = Join(seconds=6.0, gap=0.5), 70
    groups = group(seconds, labels, join, rng=np.random.default_rng(1), most_labels=most)
    assert sorted(groups.order) == list(range(300)) and groups.sizes.max() >= 4
    found = [groups.rows(number) for number in range(len(groups.starts))]
    for number, rows in enumerate(found):
        between = (len(rows) - 1) * (0.5 + ROUNDING_SECONDS)
        np.testing.assert_allclose(groups.seconds(seconds, join)[number], seconds[rows].sum() + between)
        assert groups.labels(labels)[number] == labels[rows].sum() + len(rows) - 1 <= most
        assert groups.seconds(seconds, join)[number] <= 6.0 + 1e-9
    for rows, following in itertools.pairwise(found):
        more = [*rows, following[0]]
        length = seconds[more].sum() + len(rows) * (0.5 + ROUNDING_SECONDS)
        assert length > 6.0 or labels[more].sum() + len(rows) > most


def test_only_the_share_that_may_be_joined_is():
    seconds, labels = np.full(1000, 1.0), np.zeros(1000, int)
    groups = group(seconds, labels, Join(3.0, 0.0, probability=0.4), rng=np.random.default_rng(1))
    assert 0.3 < (groups.sizes - 1).sum() / 1000 * 1.5 < 0.5  # two of three are joined to another
    assert (group(seconds, labels, Join(0.9), rng=np.random.default_rng(1)).sizes == 1).all()


def epochs(**options):
    rng = np.random.default_rng(0)
    durations, labels = rng.uniform(0.5, 3, 101), rng.integers(1, 9, 101)
    options = {"weights": np.full(101, 1.3), "seed": 3, "labels": labels, "join": Join(6.0)} | options
    buckets = (Bucket(2.0, 8, 16), Bucket(6.0, 4, 24), Bucket(6.0, 3, 40))
    return Epochs(durations, buckets=buckets, speeds=(0.9, 1.1), **options)


def flat(planned):
    parts = [planned.index, planned.copy, *planned.stretch]
    return [*parts, *([] if planned.joined is None else [*planned.joined[:3], *planned.joined.stretch])]


@pytest.mark.parametrize("shards", [None, np.arange(101) % 20])
def test_an_epoch_shows_each_example_by_its_weight_and_any_step_in_any_order(shards):
    forward, backward = epochs(shards=shards), epochs(shards=shards)
    expected = {step: flat(backward[step]) for step in reversed(range(forward.first_step(3)))}
    shown = np.zeros((3, 101), int)
    for step in range(forward.first_step(3)):
        planned = forward[step]
        for a, b in zip(flat(planned), expected[step], strict=True):
            np.testing.assert_array_equal(a, b)
        for index in (planned.index, planned.joined.index if planned.joined else planned.index[:0]):
            np.add.at(shown[planned.epoch], index[index >= 0], 1)
    assert shown.min() == 1 and shown.max() == 2 and abs(shown.mean() - 1.3) < 0.1


@pytest.fixture
def corpus(tmp_path):
    rng, lines = np.random.default_rng(1), []
    for i in range(17):
        soundfile.write(tmp_path / f"{i}.flac", rng.integers(-9000, 9000, 400 + 97 * i).astype(np.int16), RATE)
        text = (3 * (i % 4) + 1) * "a" + (4 * (i // 4) + 1) * "b"
        lines.append({"audio_filepath": f"{i}.flac", "duration": (400 + 97 * i) / RATE, "text": text})
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def data(corpus, *, batching, **options):
    manifest = Manifest(corpus / "train.jsonl", problems=Problems(report=lambda line: None))
    options = {"sample_rate": RATE, "buckets": 2, "batch_seconds": 4, "batch_size": 4, "seed": 5} | options
    return training_data(manifest, TOKENIZER, batching=batching, **options)


def test_joined_utterances_are_the_recordings_and_texts_with_a_gap(corpus):
    made = data(corpus, batching=Batching(join=Join(1.0, gap=0.05)))
    batches, shown = made.batches(), []
    for _ in range(made.steps_per_epoch):
        batch = next(batches)
        for row in np.flatnonzero(batch.index >= 0):
            samples, words = batch.samples[row, : batch.num_samples[row]], []
            for word in TOKENIZER.decode(batch.labels[row, : batch.num_labels[row]]).split():
                [index] = [i for i in range(17) if made.fields(i)["text"] == word]
                heard, _ = soundfile.read(corpus / f"{index}.flac", dtype="float32")
                np.testing.assert_array_equal(samples[: len(heard)], heard)
                samples = samples[len(heard) :]
                assert not samples[:400].any()
                samples = samples[400:]
                words.append(index)
            assert not len(samples) and words[0] == batch.index[row]
            shown += words
    assert sorted(shown) == list(range(17)) and made.steps_per_epoch < 5 and not len(made.problems)


def test_languages_are_encoded_each_by_itself_with_a_space_between(corpus):
    lines = [json.loads(line) for line in (corpus / "train.jsonl").read_text().splitlines()]
    named = [line | {"text": "ab", "lang": "de" if i % 3 else "en"} for i, line in enumerate(lines)]
    (corpus / "lang.jsonl").write_text("".join(json.dumps(line) + "\n" for line in named))
    labels = transcripts(Manifest(corpus / "lang.jsonl"), TOKENIZER)
    assert TOKENIZER.decode(labels.join([0, 1, 2, 3], [], 0.1).tolist()) == "ab ab ab ab"


def test_a_broken_recording_leaves_the_others_of_its_row(corpus):
    (corpus / "3.flac").write_bytes(b"no audio")
    made, shown = data(corpus, batching=Batching(join=Join(1.0))), 0
    for step in range(made.steps_per_epoch):
        shown += (next(made.batches(step)).labels == TOKENIZER.encode(" ")[0]).sum()  # spaces join
    assert len(made.problems) == 1 and "3.flac" in made.problems.lines[0] and shown >= 8


def test_what_cannot_be_joined_or_planned_is_named(corpus):
    manifest = Manifest(corpus / "train.jsonl")
    made = columns(manifest, TOKENIZER, sample_rate=RATE)
    with pytest.raises(ConfigError, match=r"data\.join: the labels of this kind of model"):
        planned_labels({"labels": made["labels"]._replace(join=None)}, slice(None), Batching(join=Join(3.0)))
    with pytest.raises(ConfigError, match=r"no labels to count"):
        planned_labels({"samples": made["samples"]}, slice(None), Batching(label_buckets=2))


def test_shapes_by_labels_hold_augmented_examples_and_cost_what_they_say(corpus):
    batching = Batching(Cost(quadratic_seconds=1.0, label_seconds=0.01), label_buckets=2)
    augment = parse_augment({"speed": [0.8, 1.2], "pad_seconds": 0.05})
    made = data(corpus, batching=batching, augment=augment, batch_size=9)
    assert len(made.batch_shapes) == 4 and len({shape.labels for shape in made.batch_shapes}) >= 2
    for shape in made.batch_shapes:
        length = shape.size + 0.01 * shape.labels
        assert shape.cost == pytest.approx(length + length**2) and shape.total <= 4
        assert shape.arrays.labels.shape == (shape.rows, shape.labels)
        assert str(shape).endswith(f" x {shape.labels}")
    for step in range(3 * made.steps_per_epoch):
        next(made.batches(step))
    assert not len(made.problems)
