"""Examples that a model cannot learn from are counted, and one is named, before the first step."""

import json

import numpy as np
import pytest

from jaxspeech.data import capacity as module
from jaxspeech.data.capacity import check_capacity
from jaxspeech.data.columns.column import Column
from jaxspeech.data.manifest import Manifest
from jaxspeech.errors import ManifestError
from jaxspeech.types import Capacity


def has_a_frame_for_each_label(examples):
    return examples.lengths["labels"], examples.lengths["samples"]


CAPACITY = Capacity(has_a_frame_for_each_label, "frames", "use longer tokens")


def check(tmp_path, labels, *, frames=10, usable=True):
    lines = [json.dumps({"audio_filepath": f"{i}.wav", "duration": 1.0}) + "\n" for i in range(len(labels))]
    (tmp_path / "m.jsonl").write_text("".join(lines))
    usable = np.broadcast_to(usable, len(labels))
    columns = {
        "samples": Column(np.float32, (), None, usable | True, lambda *_: 0, np.full(len(labels), frames)),
        "labels": Column(np.int32, (), None, usable, lambda *_: 0, np.array(labels)),
        "speaker": Column(np.int32, (), None, usable | True, lambda *_: 0),  # its length is not known
    }
    said = []
    manifest = Manifest(tmp_path / "m.jsonl")
    check_capacity(CAPACITY, manifest, columns, what="a transcript too long for its audio", report=said.append)
    return said


def test_some_are_one_line_with_the_first_of_them(tmp_path):
    assert check(tmp_path, [10] * 9) == []
    assert check(tmp_path, [10, 11, 10, 12, 3]) == [
        f"a transcript too long for its audio in 2 of 5 training examples; the first is {tmp_path}/1.wav, which needs "
        "11 frames or more and has 10. They are left out of the loss"
    ]


@pytest.mark.parametrize("fitting", [0, 1])
def test_all_or_nearly_all_are_refused_with_advice(tmp_path, fitting):
    with pytest.raises(ManifestError, match=rf"in {10 - fitting} of 10 training .*0\.wav.*; use longer tokens$"):
        check(tmp_path, [99] * (10 - fitting) + [1] * fitting)
    assert len(check(tmp_path, [99] * 8 + [1] * 2)) == 1


def test_examples_that_are_not_usable_do_not_count(tmp_path):
    [line] = check(tmp_path, [-1, 99, 3, 3], usable=[False, True, True, True])
    assert " in 1 of 3 training examples; the first is" in line and "/1.wav" in line
    assert check(tmp_path, [-1, -1], usable=False) == []  # the next check refuses them


def test_many_are_sampled_evenly_which_the_line_says(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_EXAMINED", 20)
    labels = [99 if i % 4 == 0 else 1 for i in range(100)]  # every fifth of 100 is examined
    assert " in 5 of 20 training examples examined, of 100 in all; " in check(tmp_path, labels)[0]
