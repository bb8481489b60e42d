"""Times have the same structure for every decoder."""

import functools
from itertools import pairwise

import numpy as np
import pytest

from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.pipelines.recognizer import Recognizer
from tests.inference.test_long import CTC, TDT
from tests.interop.random_model import CHARACTERS, pieces_tokenizer, random_archive
from tests.pipelines.tiny_recognizer import chirps

FRAME = 0.08
RNNT = TDT | {"decoder": {**TDT["decoder"], "durations": ()}}
KINDS = {
    "ctc": CTC,
    "rnnt": RNNT,
    "tdt": TDT,
    "hybrid": RNNT | {"task": "hybrid"},
    "hybrid by its ctc head": TDT | {"task": "hybrid", "search": {"head": "ctc"}},
}


@functools.cache
def transcript(kind: str, *, pieces: bool = False) -> tuple[Recognizer, Hypothesis]:
    archive = random_archive(KINDS[kind], pieces_tokenizer() if pieces else CHARACTERS, seed=1)
    params = archive.variables["params"]
    for head in (params["decoder"], params["decoder"].get("joint", {}), params.get("ctc_head", {})):
        if "out" in head:
            head["out"]["kernel"] *= 4
    asr = Recognizer(archive)
    return asr, asr.transcribe(chirps(3, 9.0), timestamps=True)[0]


@pytest.mark.parametrize(("kind", "pieces"), [*((kind, False) for kind in KINDS), ("ctc", True)])
def test_tokens_make_words_and_words_make_segments(kind: str, pieces: bool) -> None:
    asr, found = transcript(kind, pieces=pieces)
    words, chars, segments = found.words, found.chars, found.segments
    assert len(found.tokens) == len(chars) > 2
    assert [char.text for char in chars] == [asr.tokenizer.pieces[i] for i in found.tokens]
    assert [word.text for word in words] == found.text.split()
    spans = asr.tokenizer.word_spans(found.tokens)
    assert [(chars[a].start, chars[b - 1].end) for _, a, b in spans] == [word[1:3] for word in words]
    assert " ".join(segment.text for segment in segments) == " ".join(found.text.split())
    assert segments[0].start == words[0].start and segments[-1].end == words[-1].end
    for parts in (chars, words, segments):
        assert all(0 <= x.start <= x.end <= found.duration + 1e-9 for x in parts)
        # A TDT emits several tokens in one frame, and jumps only after the last.
        assert kind == "tdt" or all(x.start < x.end for x in parts)
        assert all(a.start <= b.start for a, b in pairwise(parts))
        assert all(0 <= x.confidence <= 1 for x in parts)


@pytest.mark.parametrize(
    ("kind", "durations"), [("rnnt", {1}), ("hybrid", {1}), ("tdt", {0, 1, 2}), ("ctc", set(range(1, 30)))]
)
def test_how_long_a_token_lasts(kind: str, durations: set[int]) -> None:
    _, found = transcript(kind)
    whole = [char for char in found.chars if char.end < found.duration - 1e-9]  # the end of the audio cuts the others
    frames = np.array([[char.start / FRAME, char.end / FRAME] for char in whole])
    np.testing.assert_allclose(frames, frames.round(), atol=1e-6)
    lasted = set((frames[:, 1] - frames[:, 0]).round().astype(int).tolist())
    assert lasted <= durations, lasted
