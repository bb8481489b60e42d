"""Columns: one value per row, values that follow the audio, examples without a value, and columns that do not fit."""

import json
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
import soundfile

from jaxspeech.data.augment import parse_augment
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.column import Column, widest
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.loader import EvaluationData, TrainingData
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.rng import generator
from jaxspeech.data.variant import STILL, Variant
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.text.char import CharTokenizer
from tests.data.recognition import evaluation_data, training_data

RATE, FRAMES_PER_SECOND, SPEAKERS = 8000, 50, 2
TOKENIZER = CharTokenizer("abc ")
OPTIONS = {"buckets": 2, "batch_seconds": 8, "batch_size": 6}


class Speakers(NamedTuple):
    samples: Any
    num_samples: Any
    speaker: Any
    index: Any


class Activity(NamedTuple):
    samples: Any
    num_samples: Any
    activity: Any
    num_activity: Any
    index: Any


@pytest.fixture
def manifest(tmp_path):
    """Recordings of 1 to 2 s, silent except for noise between `from` and `to`, in seconds."""
    rng, lines = np.random.default_rng(0), []
    for i in range(14):
        seconds = round(rng.uniform(1, 2), 2)
        start, end = sorted(rng.uniform(0.1, seconds - 0.1, 2).round(2))
        samples = np.zeros(round(seconds * RATE), np.int16)
        part = slice(round(start * RATE), round((end + 0.1) * RATE))
        samples[part] = rng.choice([-9000, 9000], len(samples[part]))
        soundfile.write(tmp_path / f"{i}.flac", samples, RATE)
        line = {"audio_filepath": f"{i}.flac", "duration": seconds, "text": "ab", "from": start, "to": end + 0.1}
        lines.append(line | {"speaker": i % 3})
    return write(tmp_path, lines)


def write(folder, lines):
    (folder / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Manifest(folder / "m.jsonl", problems=Problems(report=lambda line: None))


def speakers(manifest):
    """A column with one value per row."""
    usable = np.array(["speaker" in entry.fields for entry in manifest])
    return Column(np.int32, (), None, usable, lambda example, variant: manifest[example].fields["speaker"])


def activity(manifest):
    """A column of frames x speakers: the first speaker is active during the noise, the second never."""

    def row(example, variant):
        entry = manifest[example]
        count = int(np.floor((variant.at(entry.duration) + variant.after) * FRAMES_PER_SECOND))
        moments = (np.arange(count) + 0.5) / FRAMES_PER_SECOND
        speaks = (variant.at(entry.fields["from"]) < moments) & (moments < variant.at(entry.fields["to"]))
        return np.stack([speaks, np.zeros(count)], axis=1)

    def widths(examples, shortest, bucket_seconds):
        return tuple((np.ceil(bucket_seconds * FRAMES_PER_SECOND).astype(int) + 1).tolist())

    return Column(np.float32, (SPEAKERS,), widths, np.broadcast_to(True, len(manifest)), row)


def test_a_column_with_one_value_per_row(manifest):
    columns = {"samples": audio(manifest, sample_rate=RATE), "speaker": speakers(manifest)}
    for data in (
        TrainingData(manifest, columns, Speakers, **OPTIONS),
        EvaluationData(manifest, columns, Speakers, **OPTIONS),
    ):
        shapes = [jax.tree.map(lambda x: (x.shape, x.dtype), shape.arrays) for shape in data.batch_shapes]
        batches = list(data.batches()) if isinstance(data, EvaluationData) else [next(data.batches()) for _ in "ab"]
        for batch in batches:
            assert jax.tree.map(lambda x: (x.shape, x.dtype), batch) in shapes
            real = batch.index >= 0
            assert (batch.speaker[real] == batch.index[real] % 3).all() and not batch.speaker[~real].any()
    assert str(data.batch_shapes[-1]) == f"{data.batch_shapes[-1].rows} x {manifest.durations.max():.2f} s"
    assert data.fields(4)["speaker"] == 1 and data.name(4).endswith("4.flac")


@pytest.mark.parametrize(
    "augment", [{"speed": [0.8, 1.25]}, {"pad_seconds": 0.3, "crop_seconds": 0.3, "speed": [0.8, 1, 1.25]}]
)
def test_a_column_follows_speed_silence_and_cuts(manifest, augment):
    augment = parse_augment(augment)
    columns = {"samples": audio(manifest, sample_rate=RATE), "activity": activity(manifest)}
    data = TrainingData(manifest, columns, Activity, augment=augment, seed=3, **OPTIONS)
    batches, changed, frame = data.batches(), set(), RATE // FRAMES_PER_SECOND
    for _ in range(3 * data.steps_per_epoch):
        batch = next(batches)
        assert batch.activity.shape[2] == SPEAKERS and not batch.activity[:, :, 1].any()
        for row in np.flatnonzero(batch.index >= 0):
            count = batch.num_activity[row]
            changed.add((int(batch.index[row]), int(batch.num_samples[row])))
            assert abs(count * frame - batch.num_samples[row]) <= frame
            assert not batch.activity[row, count:].any()
            loud = np.abs(batch.samples[row, : count * frame].reshape(count, frame)).mean(axis=1) > 0.05
            # The noise starts and ends where the activity says, to a frame.
            stated = np.flatnonzero(batch.activity[row, :, 0])
            heard = np.flatnonzero(loud)
            if len(stated):
                assert abs(stated[0] - heard[0]) <= 1 and abs(stated[-1] - heard[-1]) <= 1
    assert len(changed) > len(manifest) and not len(data.problems)


def test_a_target_is_stretched_as_the_augmented_recording_is(manifest):
    variant = Variant(speed=1.25, before=0.1, after=-0.2, epoch=2, index=5, copy=1)
    augment = parse_augment({"white_noise": {"level_db": [-30, -30]}})
    noisy = audio(manifest, sample_rate=RATE, augment=augment, seed=7).row(5, variant)
    clean = audio(manifest, sample_rate=RATE).row(5, variant)
    assert clean.shape == noisy.shape and not clean[: RATE // 10].any()
    assert 0.02 < (noisy - clean).std() < 0.04  # -30 dB


def test_moments_and_random_numbers_of_a_variant():
    cut = Variant(speed=2.0, before=-0.25, after=0.5, epoch=3, index=7, copy=2)
    np.testing.assert_array_equal(cut.at(np.array([0.0, 0.5, 3.0])), [-0.25, 0.0, 1.25])
    assert cut.generator(5).random() == generator(5, 3, 7, copy=2).random() != cut.generator(6).random()
    assert STILL.at(1.5) == 1.5


def test_columns_must_be_the_batchs_fields(manifest):
    samples, labels = audio(manifest, sample_rate=RATE), transcripts(manifest, TOKENIZER)
    for make in (TrainingData, EvaluationData):
        with pytest.raises(TypeError, match=r"^Speakers\(.*\): nothing fills speaker$"):
            make(manifest, {"samples": samples}, Speakers, **OPTIONS)
        with pytest.raises(TypeError, match=r"nothing fills speaker; it has no field for labels, num_labels$"):
            make(manifest, {"samples": samples, "labels": labels}, Speakers, **OPTIONS)
        with pytest.raises(TypeError, match=r"nothing fills num_samples$"):
            make(manifest, {"samples": speakers(manifest), "speaker": speakers(manifest)}, Speakers, **OPTIONS)


def test_channels_count_from_zero(manifest):
    with pytest.raises(ConfigError, match=r"^data\.channel is -1"):
        audio(manifest, sample_rate=RATE, channel=-1)


@pytest.fixture
def with_gaps(manifest, tmp_path):
    """Adds four unusable examples: one without a text, two whose text cannot be encoded, one without a speaker."""
    lines = [entry.fields for entry in manifest]
    del lines[2]["text"], lines[9]["speaker"]
    lines[5]["text"], lines[6]["text"] = "xyz", "ü"
    return write(tmp_path, lines)


def test_evaluation_keeps_examples_without_a_field_and_leaves_it_empty(with_gaps):
    data = evaluation_data(with_gaps, TOKENIZER, sample_rate=RATE, **OPTIONS)
    lengths, labels = {}, {}
    for batch in data.batches():
        for row in np.flatnonzero(batch.index >= 0):
            lengths[int(batch.index[row])] = batch.num_samples[row]
            labels[int(batch.index[row])] = batch.labels[row, : batch.num_labels[row]].tolist()
            assert not batch.labels[row, batch.num_labels[row] :].any()
    assert lengths == {i: round(seconds * RATE) for i, seconds in enumerate(with_gaps.durations)}
    assert labels == {i: [] if i in (2, 5, 6) else [0, 1] for i in range(14)} and not len(data.problems)


def test_training_leaves_out_examples_without_a_field_and_reports_them(with_gaps):
    data = training_data(with_gaps, TOKENIZER, sample_rate=RATE, **OPTIONS)
    batches = data.batches()
    seen = np.concatenate([next(batches).index for _ in range(data.steps_per_epoch)])
    assert sorted(seen[seen >= 0]) == list(range(11))  # the index counts the usable examples
    assert [data.fields(i)["audio_filepath"] for i in (1, 2, 4)] == ["1.flac", "3.flac", "7.flac"]
    reasons = [line.partition(".flac: ")[2] for line in data.problems.lines]
    assert reasons[0] == "no text" and "character 'x'" in reasons[1] and "character 'ü'" in reasons[2]
    assert len(reasons) == 3


def test_training_uses_the_examples_that_every_column_has(with_gaps):
    class Both(NamedTuple):
        samples: Any
        num_samples: Any
        labels: Any
        num_labels: Any
        speaker: Any
        index: Any

    columns = {"samples": audio(with_gaps, sample_rate=RATE), "labels": transcripts(with_gaps, TOKENIZER)}
    data = TrainingData(
        with_gaps, columns | {"speaker": speakers(with_gaps)._replace(row=lambda *_: 1)}, Both, **OPTIONS
    )
    assert len(data.problems) == 4 and data.problems.lines[-1].endswith("9.flac: has no speaker")


def test_no_usable_example_is_one_line(manifest, tmp_path):
    with pytest.raises(ManifestError, match=r"^14 of 14 examples are unusable"):
        training_data(manifest, CharTokenizer("xyz"), sample_rate=RATE, **OPTIONS)
    few = write(tmp_path, [entry.fields for entry in manifest][:3])
    with pytest.raises(ManifestError, match=r"^3 of 3 examples are unusable .*character 'a'"):
        training_data(few, CharTokenizer("xyz"), sample_rate=RATE, **OPTIONS)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ManifestError("has no speaker today"), "has no speaker today"),
        (RuntimeError("of a library"), "RuntimeError: of a library"),
        (MemoryError(), "there is not enough memory for it"),
    ],
)
def test_a_row_that_fails_is_a_filler_in_all_fields(manifest, error, reason):
    def fail(example, variant):
        if example == 4:
            raise error
        return 1

    columns = {"samples": audio(manifest, sample_rate=RATE), "speaker": speakers(manifest)._replace(row=fail)}
    data = EvaluationData(manifest, columns, Speakers, **OPTIONS)
    seen = []
    for batch in data.batches():
        seen += batch.index[batch.index >= 0].tolist()
        filler = batch.index < 0
        assert (
            not batch.samples[filler].any() and not batch.num_samples[filler].any() and not batch.speaker[filler].any()
        )
    assert sorted(seen) == [i for i in range(14) if i != 4]
    assert [line.partition(".flac: ")[2] for line in data.problems.lines] == [reason]


def test_a_value_longer_than_its_bucket_is_refused(manifest):
    long = activity(manifest)._replace(row=lambda example, variant: np.zeros((500, SPEAKERS)))
    columns = {"samples": audio(manifest, sample_rate=RATE), "activity": long}
    data = EvaluationData(manifest, columns, Activity, **OPTIONS)
    with pytest.raises(ManifestError, match=r"is longer than its manifest says \(500 activity for \d+\)"):
        list(data.batches())


def test_widths_fit_every_example_that_a_bucket_may_hold():
    shortest, lengths = np.array([0.5, 0.9, 1.5]), np.array([3, 17, 4])
    assert widest(lengths, shortest, np.array([0.6, 1.0, 2.0])) == (8, 24, 24)
    assert widest(lengths * 0, shortest, np.array([2.0])) == (8,)


class Pairs(NamedTuple):
    samples: Any
    num_samples: Any
    targets: Any
    index: Any


def test_axes_before_the_length_and_lengths_that_are_not_counted(manifest):
    plain = audio(manifest, sample_rate=RATE)
    both = plain._replace(before=(2,), row=lambda i, variant: np.stack([plain.row(i, variant)] * 2))
    made = {"samples": plain, "targets": both._replace(counted=False)}
    batch = next(TrainingData(manifest, made, Pairs, **OPTIONS).batches())
    assert batch.targets.shape == (len(batch.index), 2, batch.samples.shape[1])
    np.testing.assert_array_equal(batch.targets[:, 0], batch.samples)
    np.testing.assert_array_equal(batch.targets[:, 1], batch.samples)
    with pytest.raises(TypeError, match="it has no field for num_targets"):
        TrainingData(manifest, {"samples": plain, "targets": both}, Pairs, **OPTIONS)
