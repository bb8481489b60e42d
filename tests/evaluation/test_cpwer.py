"""Word errors of speakers beside all maps tried one by one, beside MeetEval, and for texts worked out by hand."""

import itertools
import random

import pytest

from jaxspeech.diarization.turns import Utterance
from jaxspeech.evaluation.cpwer import SpeakerErrors, speaker_word_errors, total

WORDS = ["a", "bb", "ccc", "dddd", "eeeee", "f", "gg"]


def meeting(seed: int, *, most: int, speakers: int) -> list[Utterance]:
    rng = random.Random(seed)
    said = []
    for _ in range(rng.randrange(0, most)):
        start = round(rng.uniform(0, 20), 2)
        words = " ".join(rng.choice(WORDS) for _ in range(rng.randrange(0, 7)))
        said.append(Utterance(start, start + rng.uniform(0.2, 5), f"s{rng.randrange(speakers)}", words))
    return said


def least(reference, found, collar):
    """The least number of edits over all maps, word by word in plain Python."""

    def timed(utterances):
        people = {}
        for start, end, speaker, words in sorted(utterances, key=lambda x: x.start):
            at, letters = start, max(sum(map(len, words.split())), 1)
            people.setdefault(speaker, [])
            for word in words.split():
                until = at + (end - start) * len(word) / letters
                people[speaker].append((word, at, until))
                at = until
        return list(people.values())

    def edits(one, other):
        table = [list(range(len(other) + 1))]
        for i, (word, start, end) in enumerate(one):
            row = [i + 1]
            for j, (guess, first, last) in enumerate(other):
                middle = (first + last) / 2
                near = collar is None or (middle - collar < end and start < middle + collar)
                pair = table[i][j] + (word != guess if near else 2)
                row.append(min(table[i][j + 1] + 1, row[j] + 1, pair))
            table.append(row)
        return table[-1][-1]

    truth, guess = timed(reference), timed(found)
    size = max(len(truth), len(guess))
    truth, guess = truth + [[]] * (size - len(truth)), guess + [[]] * (size - len(guess))
    return min(
        sum(edits(x, guess[j]) for x, j in zip(truth, m, strict=True)) for m in itertools.permutations(range(size))
    )


@pytest.mark.parametrize("seed", range(30))
def test_the_map_is_the_best_of_all(seed):
    reference, found = meeting(seed, most=6, speakers=3), meeting(seed + 1000, most=6, speakers=4)
    found += [x._replace(start=x.start + 0.4, end=x.end + 0.4, speaker=f"t{x.speaker}") for x in reference[1:4]]
    for collar in (None, 0.0, 0.5, 5.0):
        assert speaker_word_errors(reference, found, time_collar=collar).errors == least(reference, found, collar)


def test_meeteval_agrees():
    meeteval = pytest.importorskip("meeteval")
    from meeteval.wer import cp_word_error_rate, time_constrained_minimum_permutation_word_error_rate

    def theirs(said):
        fields = ("start_time", "end_time", "speaker", "words")
        return meeteval.io.SegLST([dict(zip(fields, x, strict=True), session_id="m") for x in said])

    for seed in range(20):
        reference, found = meeting(seed, most=6, speakers=3), meeting(seed + 1000, most=6, speakers=3)
        if not reference or not found:
            continue
        a, b = theirs(reference), theirs(found)
        plain = speaker_word_errors(reference, found)
        timed = speaker_word_errors(reference, found, time_collar=1.0)
        other = cp_word_error_rate(a, b)
        assert (plain.errors, plain.length) == (other.errors, other.length)
        assert timed.errors == time_constrained_minimum_permutation_word_error_rate(a, b, collar=1.0).errors


def test_worked_out_by_hand():
    ann, bob = Utterance(0.0, 1.0, "ann", "a b c"), Utterance(1.0, 2.0, "bob", "d e")
    assert speaker_word_errors([ann, bob], [bob._replace(speaker="1"), ann._replace(speaker="0")]).rate == 0.0
    assert speaker_word_errors([ann, bob], [ann]) == SpeakerErrors(2, 5, 1, 0)
    assert speaker_word_errors([ann], [ann, bob]) == SpeakerErrors(2, 3, 0, 1)
    # The order is that of the starts, not of the lines; composed and decomposed letters are equal.
    parts = [Utterance(2.0, 3.0, "x", "e\u0301 b"), Utterance(0.0, 1.0, "x", "a")]
    assert speaker_word_errors([Utterance(0.0, 3.0, "ann", "a \u00e9 b")], parts).errors == 0
    # The same words a minute later are wrong words at a wrong time.
    late = ann._replace(start=60.0, end=61.0)
    assert speaker_word_errors([ann], [late]).errors == 0
    assert speaker_word_errors([ann], [late], time_collar=5.0).errors == 6
    assert speaker_word_errors([], [ann]).rate == float("inf") and speaker_word_errors([], []).rate == 0.0
    assert total([SpeakerErrors(1, 2, 3, 4), SpeakerErrors(1, 2, 3, 4)]) == SpeakerErrors(2, 4, 6, 8)
    assert total([]) == SpeakerErrors()
