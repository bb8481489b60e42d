"""Recordings too long for one pass of full attention: local attention, windows, and the note about it."""

import functools

import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.inference import programs
from jaxspeech.inference.batching import Shape, padded_length
from jaxspeech.inference.buffered import cut
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.tasks.prediction import Outputs
from tests.interop.random_model import CHARACTERS, random_archive

RATE = 16000
# A frame sees less than the context of a window, so windows give the same result as the whole.
CTC = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 16, "normalize": "none"},
    "encoder": {
        **{"name": "fastconformer", "num_layers": 1, "width": 16, "num_heads": 2, "subsampling_channels": 4},
        **{"attention_context": (8, 8), "conv_kernel": 5},
    },
    "decoder": {"name": "ctc"},
}
TDT = CTC | {
    "task": "transducer",
    "decoder": {"name": "transducer", "width": 12, "joint_width": 10, "durations": (0, 1, 2)},
}


@functools.cache
def recognizer(kind: str) -> Recognizer:
    archive = random_archive({"ctc": CTC, "tdt": TDT}[kind], CHARACTERS)
    head = archive.variables["params"]["decoder"]
    head.get("joint", head)["out"]["kernel"] *= 4
    return Recognizer(archive)


@pytest.fixture(scope="module")
def minute() -> np.ndarray:
    rng = np.random.default_rng(0)
    pitch = np.repeat(rng.uniform(100, 6000, 500), RATE // 5)[: 67 * RATE]
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE) + 0.01 * rng.standard_normal(len(pitch))).astype("f")


@pytest.mark.parametrize(("num_samples", "expected"), [(10, 1), (200, 1), (201, 2), (999, 5)])
def test_parts_keep_every_frame_once(num_samples, expected):
    parts = list(cut(num_samples, frame=10, kept=20, context=5))
    assert len(parts) == expected
    at = 0
    for part in parts:
        assert part.start + part.first_frame * 10 == at  # the kept parts are contiguous
        at = num_samples if part.num_frames is None else at + part.num_frames * 10
        assert part.end == min(at + 50, num_samples) and part.end - part.start <= 300
    assert parts[-1].num_frames is None and all(part.num_frames == 20 for part in parts[:-1])


@pytest.mark.parametrize("kind", ["ctc", "tdt"])
def test_local_and_buffered_are_equal_where_frames_see_little(kind, minute):
    asr = recognizer(kind)
    options = {"timestamps": True, "return_log_probs": kind == "ctc"}
    [full] = asr.transcribe(minute, long="full", **options)
    assert full.note is None and len(full.tokens) > 20
    for how, note in (("local", "by local attention"), ("buffered", "in windows of 30 s")):
        [found] = asr.transcribe(minute, long=how, batch_size=2, **options)
        assert found.note == f"{note} (as asked for)"
        assert found.tokens == full.tokens
        assert [word[:3] for word in found.words] == [word[:3] for word in full.words]
        np.testing.assert_allclose(found.score, full.score, rtol=1e-4)
        if kind == "ctc":
            np.testing.assert_allclose(found.log_probs, full.log_probs, atol=2e-3)


def test_short_recordings_are_done_as_ever(minute):
    [found] = recognizer("ctc").transcribe(minute[: 20 * RATE], long="buffered")
    assert found.note is None


def test_the_memory_decides(minute, monkeypatch):
    asr = recognizer("ctc")
    [full] = asr.transcribe(minute, long="full")
    shape = Shape((0,), 1, padded_length(len(minute), sample_rate=RATE))
    needed, local = (
        programs.needed_bytes(form.compiled(asr.variables, shape, **Outputs()._asdict()))
        for form in (asr._long._full, asr._long._local)
    )
    assert local < needed
    monkeypatch.setattr(programs, "available_bytes", lambda device: needed - 1)
    [found] = asr.transcribe(minute)
    assert found.text == full.text and "by local attention (67 s of audio at once would take" in found.note
    monkeypatch.setattr(programs, "available_bytes", lambda device: local - 1)
    [found] = asr.transcribe(minute)
    assert found.text == full.text and found.note.startswith("in windows of 30 s (67 s of audio at once would take")
    with pytest.raises(AudioError, match="at once would take"):
        asr.transcribe(minute, long="full")
    [with_log_probs] = asr.transcribe(minute, return_log_probs=True)
    assert with_log_probs.note.startswith("in windows")


def test_models_without_a_local_form():
    archive = random_archive(CTC, CHARACTERS)
    absolute = CTC["encoder"] | {"attention": "abs_pos"}
    variables = random_archive(CTC | {"encoder": absolute}, CHARACTERS).variables
    asr = Recognizer(Archive(archive.model | {"encoder": absolute}, {"tokenizer": CHARACTERS}, variables, {}))
    with pytest.raises(ConfigError, match="no local form"):
        asr.transcribe(np.zeros(RATE), long="local")
