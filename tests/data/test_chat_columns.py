"""Rows of conversations: recordings, ids with a place for each frame, targets; widths that hold every variant."""

import json
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile

from jaxspeech.data.augment import AugmentConfig
from jaxspeech.data.batching import Batching
from jaxspeech.data.columns.chat import chat_columns
from jaxspeech.data.frame_counts import FrameCounts
from jaxspeech.data.loader import TrainingData
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import STILL, Variant
from jaxspeech.errors import ConfigError
from jaxspeech.text.chat import Chat
from jaxspeech.text.chat_prompts import ChatPrompts

RATE, FRAME = 1000, 80
SECONDS = (0.5, 0.83, 1.2, 0.4)
ASKED = ("say", "repeat this")


class Letters:
    """A tokenizer of bytes, with the special tokens of a template after them."""

    pieces = (*map(chr, range(128)), "<|im_start|>", "<|im_end|>")
    vocab_size = len(pieces)

    def encode(self, text: str, language: Any = None) -> list[int]:
        return list(text.encode("ascii"))


class Batch(NamedTuple):
    samples: Any
    num_samples: Any
    ids: Any
    num_ids: Any
    num_prompt: Any
    answers: Any
    index: Any


def count(num_samples: np.ndarray) -> np.ndarray:
    """Frames of a model: one at least, where there is a sample."""
    return np.where(num_samples > 0, num_samples // FRAME + 1, 0)


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    for number, seconds in enumerate(SECONDS):
        soundfile.write(tmp_path / f"{number}.wav", np.full(round(seconds * RATE), 0.1 * number), RATE)
    lines: list[dict[str, Any]] = [
        {"audio_filepath": f"{number}.wav", "duration": seconds, "text": "ab" * number}
        for number, seconds in enumerate(SECONDS)
    ]
    audios = [{"audio_filepath": f"{n}.wav", "offset": 0.0, "duration": SECONDS[n]} for n in (1, 2)]
    messages = [{"role": "user", "content": "<audio>,<audio>?"}, {"role": "assistant", "content": "no"}]
    lines.append({"audio_filepath": "1.wav", "duration": 2.03, "text": "no", "audios": audios, "messages": messages})
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Manifest(tmp_path / "m.jsonl")


PROMPTS = ChatPrompts(Chat("qwen"), Letters())


def columns(manifest: Manifest, **options: Any) -> Any:
    return chat_columns(manifest, PROMPTS, asked=ASKED, frames=FrameCounts(count), sample_rate=RATE, **options)


def text_of(ids: np.ndarray) -> str:
    return "".join("~" if i < 0 else Letters.pieces[i] for i in ids.tolist())


def test_rows(manifest):
    made = columns(manifest)
    row = {name: column.row(4, STILL) for name, column in made.items()}
    frames = count(np.array([830, 1200]))
    shown = f"<|im_start|>user\n{'~' * frames[0]},{'~' * frames[1]}?<|im_end|>\n"
    answer = "<|im_start|>assistant\nno<|im_end|>\n"
    assert text_of(row["ids"]) == shown + answer
    assert text_of(row["ids"][row["answers"]]) == answer
    assert text_of(row["ids"][row["num_prompt"] :]) == "no<|im_end|>\n"
    assert row["num_samples"].tolist() == [830, 1200] and row["samples"].shape == (2, 1200)
    np.testing.assert_allclose(row["samples"][:, 800], [0.1, 0.2], atol=1e-4)
    assert (row["samples"][0, 830:] == 0).all()

    one = {name: column.row(1, STILL) for name, column in made.items()}
    assert one["num_samples"].tolist() == [830, 0]
    assert text_of(one["ids"]).startswith(f"<|im_start|>user\nsay {'~' * frames[0]}<|im_end|>\n")  # the first prompt


def test_what_is_asked_is_drawn_from_seed_epoch_and_example(manifest):
    made, again = (columns(manifest, augment=AugmentConfig(), seed=3) for _ in range(2))
    variants = [Variant(index=2, epoch=epoch, copy=copy) for epoch in range(12) for copy in range(2)]
    asked = [text_of(made["ids"].row(2, variant))[17:20] for variant in variants]
    assert {*asked} == {"say", "rep"}
    assert asked == [text_of(again["ids"].row(2, variant))[17:20] for variant in variants]


@pytest.mark.parametrize("label_buckets", [1, 2])
def test_every_variant_fits_its_batch(manifest, label_buckets):
    augment = AugmentConfig(speed=(0.8, 1.0, 1.3), pad_seconds=0.1)
    batching = Batching(label_buckets=label_buckets)
    data = TrainingData(
        manifest,
        columns(manifest, augment=augment),
        Batch,
        buckets=2,
        batch_seconds=6.0,
        batch_size=2,
        augment=augment,
        batching=batching,
    )
    batches = data.batches()
    for _ in range(12):
        batch = next(batches)
        for row in range(len(batch.index)):
            ids = batch.ids[row][: batch.num_ids[row]]
            assert batch.index[row] < 0 or (ids == -1).sum() == count(batch.num_samples[row]).sum() > 0
            assert not batch.answers[row][batch.num_ids[row] :].any()
    assert not len(data.problems)


def test_what_cannot_be_encoded_is_left_out(manifest, tmp_path):
    lines = (tmp_path / "m.jsonl").read_text().splitlines()
    broken = json.loads(lines[-1]) | {"messages": [{"role": "user", "content": "<audio>"}, json.loads(lines[-1])]}
    broken["messages"][1] = {"role": "assistant", "content": "x"}
    (tmp_path / "n.jsonl").write_text("\n".join([*lines[:3], json.dumps(broken)]))
    made = columns(Manifest(tmp_path / "n.jsonl"))
    assert made["ids"].usable.tolist() == [True, True, True, False]
    with pytest.raises(Exception, match="1 place for audio, but came with 2 recordings"):
        made["ids"].row(3, STILL)


def test_a_conversation_needs_no_recording(tmp_path):
    turns = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]
    (tmp_path / "t.jsonl").write_text(json.dumps({"id": "1", "conversations": turns}) + "\n")
    made = columns(Manifest(tmp_path / "t.jsonl"), augment=AugmentConfig(speed=(0.8,)))
    assert text_of(made["ids"].row(0, STILL)[made["answers"].row(0, STILL)]) == "<|im_start|>assistant\nho<|im_end|>\n"
    assert made["samples"].row(0, STILL).shape == (1, 0) and made["num_samples"].row(0, STILL).tolist() == [0]
    assert made["samples"].widths(slice(None), np.array([0.1]), np.array([0.1])) == (16,)


def test_several_recordings_are_not_cut(manifest):
    with pytest.raises(ConfigError, match="several recordings cannot be cut"):
        columns(manifest, augment=AugmentConfig(crop_seconds=0.1))


def test_frames_of_any_length():
    calls = []

    def counted(lengths: np.ndarray) -> np.ndarray:
        calls.append(len(lengths))
        return count(lengths - 7).clip(0)

    frames, lengths = FrameCounts(counted), np.arange(3000)
    np.testing.assert_array_equal(frames(lengths), counted(lengths))
    done = len(calls)
    assert frames(np.array([5000])) == counted(np.array([5000])) and len(calls) == done + 1
    np.testing.assert_array_equal(frames(np.arange(20_000)), counted(np.arange(20_000)))
