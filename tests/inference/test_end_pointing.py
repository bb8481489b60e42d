"""Live transcripts are divided into utterances: after marks, after silences, and with the stream."""

import json

import numpy as np
import pytest

from jaxspeech.data.augment import parse_augment
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.stretch import draw_stretch
from jaxspeech.data.variant import STILL
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.evaluation.end_of_utterance import EndCounts, compare_ends, counts_of, counts_of_marks, true_utterances
from jaxspeech.inference.end_pointing import EndPointer, check_end_silence
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.timed_tokens import TimedTokens
from jaxspeech.text.train import train_tokenizer
from jaxspeech.text.utterance_marks import marks_of, spoken_text

TEXTS = ["tell me a joke", "aha", "what is next"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, type="bpe", vocab_size=24, special=["<EOU>", "<EOB>"])


def ended(tokenizer, steps, *, end_silence=None, offset=0.0):
    """Feeds (tokens with first frames, frames heard, done) step by step, each frame a tenth of a second."""
    pointer = EndPointer(tokenizer, end_silence=end_silence, frame_seconds=0.1, offset=offset)
    ids, starts = [], []
    for tokens, heard, done in steps:
        ids += [i for i, _ in tokens]
        starts += [frame for _, frame in tokens]
        pointer.update(ids, starts, [frame + 1 for frame in starts], heard=heard / 10, done=done)
    return pointer.utterances


def test_marks_end_utterances(tokenizer):
    eou, eob = (tokenizer.pieces.index(mark) for mark in ("<EOU>", "<EOB>"))
    first, second, third = (tokenizer.encode(text) for text in TEXTS)
    words = [(i, k) for k, i in enumerate(first)]
    then = [(i, 20 + k) for k, i in enumerate(second)]
    steps = [(words, 12, False), ([(eou, 13)], 16, False), ([*then, (eob, 30)], 32, False)]
    steps += [([(i, 40 + k) for k, i in enumerate(third)], 60, True)]
    found = ended(tokenizer, steps, offset=5.0)
    assert [one.text for one in found] == TEXTS
    assert [one.by for one in found] == ["mark", "backchannel", "stream"]
    assert [one.decided for one in found] == pytest.approx([6.6, 8.2, 11.0])
    assert (found[0].start, found[0].end) == pytest.approx((5.0, 6.4))
    # The marks are in no text, and no word is as long as until its mark.
    ids = [*first, eou, *second, eob]
    assert spoken_text(tokenizer, ids) == "tell me a joke aha" and set(marks_of(tokenizer)) == {eou, eob}
    assert Hypothesis().with_tokens(tokenizer, ids, [1.0] * len(ids)).text == "tell me a joke aha"
    timed, places = TimedTokens(tokenizer, frame_seconds=0.1), np.arange(len(ids), dtype=float)
    places[len(first) :] += 9
    timed.update(ids, places, places + 1, np.ones(len(ids)), duration=9.0)
    assert [word.text for word in timed.words] == ["tell", "me", "a", "joke", "aha"]
    assert timed.words[3].end == pytest.approx(len(first) / 10)


def test_silence_ends_utterances(tokenizer):
    first, second = (tokenizer.encode(text) for text in TEXTS[:2])
    steps = [([(i, k) for k, i in enumerate(first)], len(first) + 3, False), ([], len(first) + 8, False)]
    steps += [([], 40, False), ([(i, 45 + k) for k, i in enumerate(second)], 60, True)]
    found = ended(tokenizer, steps, end_silence=0.6)
    assert [(one.text, one.by) for one in found] == [(TEXTS[0], "silence"), (TEXTS[1], "stream")]
    assert found[0].decided == pytest.approx((len(first) + 8) / 10)
    # The same pause within one step, and none without end-pointing by silence.
    tokens = [(i, k) for k, i in enumerate(first)] + [(i, 45 + k) for k, i in enumerate(second)]
    at_once = ended(tokenizer, [(tokens, 60, True)], end_silence=0.6)
    assert [one.text for one in at_once] == TEXTS[:2]
    assert at_once[0].decided == pytest.approx(len(first) / 10 + 0.6)
    assert [one.text for one in ended(tokenizer, [(tokens, 60, True)])] == [" ".join(TEXTS[:2])]
    assert not ended(tokenizer, [([], 60, True)], end_silence=0.6)
    with pytest.raises(ConfigError, match="end_silence is 0"):
        check_end_silence(0.0)


def brute_force(found, true):
    """Counts of utterances that do not overlap, by looking at each of them."""
    late = [min((end for _, end in found if end >= last), default=None) for _, last in true]
    nexts = [start for start, _ in true[1:]] + [np.inf]
    latency = [
        end - last for end, (_, last), next in zip(late, true, nexts, strict=True) if end is not None and end < next
    ]
    early = [last - end for _, end in found for first, last in true if first <= end < last]
    return sorted(latency), sorted(early)


def test_scores_of_ends():
    rng = np.random.default_rng(0)
    for _ in range(50):
        edges = np.cumsum(rng.uniform(0.5, 2.0, 8))
        true = [(float(a), float(b)) for a, b in edges.reshape(-1, 2)]
        # One end after each utterance, and perhaps one within it.
        found = []
        for (first, last), following in zip(true, [*edges[2::2], edges[-1] + 1], strict=True):
            if rng.random() < 0.4:
                found.append((first, float(rng.uniform(first, last))))
            found.append((first, float(rng.uniform(last, following))))
        counts = compare_ends(found, true)
        latency, early = brute_force(found, true)
        assert sorted(counts.latency) == pytest.approx(latency) and sorted(counts.early) == pytest.approx(early)
        assert counts.missing == 0 and counts.utterances == 4
    missed = compare_ends([(0.0, 1.2)], [(0.0, 1.0), (2.0, 3.0), (4.0, 5.0)])
    cut = compare_ends([(0.0, 0.5)], [(0.0, 1.0)])
    assert (missed.missing, cut.missing, cut.early, cut.false_alarms) == (2, 0, (0.5,), 1)
    both = missed + cut
    assert both.scores() == pytest.approx(
        {**{f"eou_latency_p{p}": 0.2 for p in (50, 90, 95)}, "eou_early_cutoff": 0.25, "eou_missing": 0.5}
    )
    assert EndCounts().scores() == {"eou_early_cutoff": 0.0, "eou_missing": 0.0}
    assert compare_ends([(0.0, 0.95)], [(0.0, 1.0)], collar=0.1).latency == pytest.approx((-0.05,))


def test_lines_with_utterances(tokenizer, tmp_path):
    eou, eob = (tokenizer.pieces.index(mark) for mark in ("<EOU>", "<EOB>"))
    lines = [
        {"text": "tell me a joke"},
        {"text": "", "utterances": ["tell me a joke", "aha"], "is_backchannel": [False, True]},
        {"text": "aha", "is_backchannel": True},
        {"text": "aha", "utterances": ["aha"], "is_backchannel": [True, False]},
    ]
    path = tmp_path / "list.jsonl"
    path.write_text("".join(json.dumps({"audio_filepath": "a.wav", "duration": 1.0} | x) + "\n" for x in lines))
    column = transcripts(Manifest(path), tokenizer)
    joke, aha = tokenizer.encode("tell me a joke"), tokenizer.encode("aha")
    assert column.usable.tolist() == [True, True, True, False]
    assert [column.row(i, STILL).tolist() for i in range(3)] == [[*joke, eou], [*joke, eou, *aha, eob], [*aha, eob]]
    assert column.lengths is not None
    assert column.lengths[:3].tolist() == [len(joke) + 1, len(joke) + len(aha) + 2, len(aha) + 1]
    with pytest.raises(ManifestError, match="1 utterances, and 2 values of is_backchannel"):
        column.row(3, STILL)
    assert true_utterances({"sou_time": [0.3, None, 4], "eou_time": [1.3, 2, 4.5]}, seconds=6.0) == [
        (0.3, 1.3),
        (4.0, 4.5),
    ]
    assert true_utterances({"sou_time": 0.3, "eou_time": 1.3}, seconds=6.0) == [(0.3, 1.3)]
    assert true_utterances({}, seconds=6.0) == [(0.0, 6.0)]
    with pytest.raises(ManifestError, match="2 values of sou_time, and 1 of eou_time"):
        true_utterances({"sou_time": [0, 1], "eou_time": 1}, seconds=6.0)
    whole = TimedTokens(tokenizer, frame_seconds=0.1)
    ids, places = [*joke, eou, *aha], np.arange(len(joke) + 1 + len(aha), dtype=float)
    whole.update(ids, places, places + 1, np.ones(len(ids)), duration=6.0)
    offline = Hypothesis(duration=6.0).with_times(whole)
    counts = counts_of_marks({"sou_time": [0, 2], "eou_time": [1, 3]}, offline)
    assert counts.latency == pytest.approx(((len(joke) + 1) / 10 - 1,)) and counts.missing == 1
    live = Hypothesis(duration=6.0, utterances=ended(tokenizer, [([(i, 3) for i in joke] + [(eou, 13)], 15, True)]))
    assert counts_of({"sou_time": 0.3, "eou_time": 1.3}, live).latency == pytest.approx((0.2,))


def test_silence_around_utterances():
    seconds, options = np.full(4000, 3.0), {"speeds": (1.0,), "longest": 40.0, "seed": 0, "epoch": 0}
    drawn = draw_stretch(seconds, pad_seconds=5.0, pad_after_seconds=2.0, unpadded_share=0.1, **options)
    bare = (drawn.before == 0) & (drawn.after == 0)
    assert 0.08 < bare.mean() < 0.12
    assert drawn.after[~bare].min() >= 2.0 and 4.9 < drawn.after.max() <= 5.0 and drawn.before[~bare].min() < 0.1
    same = draw_stretch(seconds, pad_seconds=5.0, **options)
    np.testing.assert_array_equal(same.before[~bare], drawn.before[~bare])
    with pytest.raises(ConfigError, match=r"augment\.pad_after_seconds: 2\.0"):
        parse_augment({"pad_seconds": 1.0, "pad_after_seconds": 2.0})
    with pytest.raises(ConfigError, match=r"augment\.unpadded_share: 2\.0"):
        parse_augment({"unpadded_share": 2.0})
