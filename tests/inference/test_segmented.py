"""Long recordings in segments: each gives its own transcript, at its place in the whole."""

import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from tests.inference.test_long import RATE, recognizer
from tests.inference.test_long import minute as minute

SPANS = [(0.4, 9.84), (12.0, 21.2), (21.2, 30.64), (50.0, 59.9)]


@pytest.mark.parametrize("kind", ["ctc", "tdt"])
def test_each_segment_for_itself(kind: str, minute: np.ndarray) -> None:
    asr = recognizer(kind)
    [found] = asr.transcribe(
        minute, long="segments", timestamps=True, voice_activity=lambda samples, rate: SPANS, batch_size=4
    )
    assert found.note == "in 3 segments between silences (as asked for)"
    parts = [(0.4, 21.2), (21.2, 30.64), (50.0, 59.9)]  # two of the spans fit in one segment
    alone = [asr.transcribe(minute[round(a * RATE) : round(b * RATE)], timestamps=True)[0] for a, b in parts]
    assert all(len(part.chars) > 3 for part in alone)
    assert found.text.split() == [word for part in alone for word in part.text.split()]
    for name in ("words", "chars"):
        expected, whole = [], getattr(found, name)
        for part, (at, _) in zip(alone, parts, strict=True):
            spans = [(x.text, x.start + at, x.end + at) for x in getattr(part, name)]
            # A model that writes spaces gets one between two segments, as long as the silence.
            if name == "chars" and expected:
                expected.append((" ", expected[-1][2], spans[0][1]))
            expected += spans
        assert [x.text for x in whole] == [text for text, *_ in expected]
        spans = np.array([x[1:3] for x in whole]), np.array([x[1:] for x in expected])
        np.testing.assert_allclose(*spans, atol=0.16)  # on its own, a segment may end within its last token
        assert np.isclose(*spans, atol=1e-6).all(1).sum() >= len(whole) - 2 * len(parts)
    np.testing.assert_allclose(found.score, sum(part.score for part in alone), rtol=1e-4)
    assert found.duration == 67.0 and found.segments[-1].end == found.words[-1].end


def test_silence_says_nothing_and_short_recordings_are_done_as_ever(minute: np.ndarray) -> None:
    asr = recognizer("ctc")
    [silent] = asr.transcribe(0 * minute, long="segments", timestamps=True)
    assert (silent.text, silent.words, silent.score) == ("", (), 0.0) and silent.note.startswith("in 0 segments")
    [short] = asr.transcribe(minute[: 9 * RATE], long="segments")
    assert short.note is None


def test_what_segments_cannot_give(minute: np.ndarray) -> None:
    asr = recognizer("ctc")
    with pytest.raises(ConfigError, match="leaves frames out"):
        asr.transcribe(minute, long="segments", return_log_probs=True)
    with pytest.raises(ConfigError, match="a text for each segment"):
        asr.align(minute, "a", long="segments")
