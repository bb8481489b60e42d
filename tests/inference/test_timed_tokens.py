"""Times of tokens that arrive step by step equal those of all tokens at once."""

import sys

import numpy as np
import pytest

from jaxspeech.inference.timed_tokens import TimedTokens
from jaxspeech.search.timestamps import TimedText
from jaxspeech.spacing import join
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.train import train_tokenizer
from tests.text.test_tokenizers import KINDS

FRAME = 0.08
CHINESE = "今天天气很好，我们去iPhone商店。今天 我们，好。"
TOKENIZERS = {
    **KINDS,
    "sentences": lambda: CharTokenizer("ab ."),
    "spaceless": lambda: CharTokenizer("好天，。（x1 "),
    "syllables": lambda: CharTokenizer("မန်င္ ိ။"),
    "vowels": lambda: CharTokenizer("เกา่ค "),
    "invisible": lambda: CharTokenizer("ab\u200b\ufe0f好 "),
    "many in a token": lambda: train_tokenizer([CHINESE, "今天天气 我们去"] * 5, type="bpe", vocab_size=40),
}


def random_tokens(rng: np.random.Generator, vocab_size: int, number: int) -> tuple[list, list, list, list]:
    """Ids, starts, ends and confidence: several in a frame, pauses of seconds, and some that last."""
    starts = np.cumsum(rng.choice([0, 1, 2, 20], size=number, p=[0.2, 0.5, 0.25, 0.05]))
    ends = starts + rng.integers(1, 5, size=number)
    return rng.integers(vocab_size, size=number).tolist(), starts.tolist(), ends.tolist(), rng.random(number).tolist()


def at_once(tokenizer, tokens, duration: float) -> TimedTokens:
    timed = TimedTokens(tokenizer, frame_seconds=FRAME, offset=3.0)
    timed.update(*tokens, duration=duration)
    return timed


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_bit_by_bit_or_at_once(kind: str) -> None:
    tokenizer, rng = TOKENIZERS[kind](), np.random.default_rng(0)
    for _ in range(20 if kind in KINDS else 2):
        tokens = random_tokens(rng, tokenizer.vocab_size, 60)
        timed, known, now, duration = TimedTokens(tokenizer, frame_seconds=FRAME, offset=3.0), 0, 0, 0.0
        while now < 60:
            again = int(rng.integers(min(known, 3) + 1))  # the last ones may have changed
            now = min(known + int(rng.integers(1, 9)), 60)
            so_far = [values[:now] for values in tokens]
            # The last token may extend beyond the audio so far.
            duration = max(duration, FRAME * (so_far[1][-1] + rng.uniform(0.5, 3.0)))
            so_far[0][-1] = int(rng.integers(tokenizer.vocab_size))
            timed.update(*so_far, duration=duration, kept=known - again)
            expected = at_once(tokenizer, so_far, duration)
            assert (timed.chars, timed.words, timed.segments) == (expected.chars, expected.words, expected.segments)
            assert join(word.text for word in timed.words) == join(word.text for word in expected.words)
            known = now - 1  # the last one was artificial


def test_nothing_ends_after_the_audio_and_what_was_cut_short_is_corrected() -> None:
    timed = TimedTokens(CharTokenizer("ab "), frame_seconds=1.0)
    timed.update([0, 1], [0, 1], [1, 5], [0.5, 0.75], duration=2.5)
    assert timed.words == [TimedText("ab", 0.0, 2.5, 0.5)] == timed.segments
    timed.update([0, 1], [0, 1], [1, 5], [0.5, 0.75], duration=9.0, kept=2)
    assert timed.words == [TimedText("ab", 0.0, 5.0, 0.5)] == timed.segments


def test_a_token_of_several_words_is_shared_by_them() -> None:
    tokenizer = train_tokenizer(["天气 天气 天气 好。"] * 5, type="bpe", vocab_size=8)
    ids = tokenizer.encode("天气好。")
    assert [tokenizer.pieces[i] for i in ids] == ["▁天气", "好", "。"]
    timed = TimedTokens(tokenizer, frame_seconds=1.0)
    timed.update(ids, [0, 4, 5], [2, 5, 9], [0.5, 0.75, 0.25], duration=6.0)
    assert [word[:4] for word in timed.words] == [
        ("天", 0.0, 1.0, 0.5),
        ("气", 1.0, 2.0, 0.5),
        ("好。", 4.0, 6.0, 0.25),
    ]
    [first, second] = timed.segments  # two seconds of silence
    assert (first.text, second.text) == ("天气", "好。")


@pytest.mark.parametrize("alphabet", ["ab .", "好天我。"])
def test_a_late_update_costs_no_more_than_an_early_one(alphabet: str) -> None:
    tokenizer = CharTokenizer(alphabet)
    ids = [0, 1, 2] * 2000 + [0, 3, 2] * 2000
    starts = list(range(len(ids)))
    times = starts, [start + 1 for start in starts], [1.0] * len(ids)

    def calls(known: int) -> int:
        """Counts function calls for three more tokens after `known`."""
        timed = TimedTokens(tokenizer, frame_seconds=FRAME)
        timed.update(ids[:known], *times, duration=1e6)
        counted = 0

        def count(frame, event, argument):
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count)
        timed.update(ids[: known + 3], *times, duration=1e6, kept=known)
        sys.setprofile(None)
        return counted

    assert calls(11997) < 1.2 * calls(6030)
