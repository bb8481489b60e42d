"""Frames of an attention decoder's tokens: planted texts, attention and CTC outputs, and which of them are used."""

import numpy as np
import pytest

from jaxspeech.inference.batching import Shape
from jaxspeech.inference.timed_programs import TimedPrograms
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.kinds import Attention, Prompting, Recognition
from jaxspeech.tasks.prediction import TIMINGS, Prediction
from jaxspeech.text.prompt import PromptFormat
from jaxspeech.text.prompt_slots import END, START
from jaxspeech.text.train import train_tokenizer

NAMES = "en", "de", "transcribe", "translate", "pnc", "nopnc", *map(str, range(30))
TOKENIZER = train_tokenizer(
    ["say a word."], type="bpe", vocab_size=56, special=[START, END, *(f"<|{n}|>" for n in NAMES)]
)
PROMPT, BLANK, FRAMES = PromptFormat("canary"), TOKENIZER.vocab_size, 20
SAY, DOT = TOKENIZER.encode("say a word"), TOKENIZER.pieces.index(".")
SAME, TRANSLATION = (PROMPT.encode(TOKENIZER, {"target_lang": language}) for language in ("en", "de"))


def time(frame):
    return TOKENIZER.pieces.index(f"<|{frame}|>")


def text_of(ids, spans):
    """Log-probabilities of a CTC head that is sure of these spans."""
    log_probs = np.full((FRAMES, BLANK + 1), -20, np.float32)
    log_probs[:, BLANK] = 0
    for token, (start, end) in zip(ids, spans, strict=True):
        log_probs[start:end, BLANK], log_probs[start:end, token] = -20, 0
    return log_probs


def attention_of(spans):
    """Weights of tokens, and of the end, that look at these spans."""
    weights = np.full((65, FRAMES), 1e-3, np.float32)
    for row, (start, end) in zip(weights, spans, strict=False):
        row[start:end] = 1
    return weights


class Planted:
    """Programs that have found these texts."""

    def __init__(self, texts, log_probs):
        self._texts, self._log_probs = texts, log_probs

    def start(self, variables, shape, audio, asked, *, tokens, log_probs, encoded):
        assert tokens and encoded
        ids = np.zeros((len(self._texts), max(map(len, self._texts))), np.int32)
        for row, text in zip(ids, self._texts, strict=True):
            row[: len(text)] = text
        counts = np.array(list(map(len, self._texts)), np.int32)
        sure, none = np.linspace(0.5, 1, ids.size).reshape(ids.shape), np.zeros_like(ids)
        found = Prediction(Tokens(ids, counts, none, none, sure, counts / -2), self._log_probs if log_probs else None)
        frames = np.full(len(counts), FRAMES, np.int32)
        return found._replace(num_frames=frames, encoded=(np.zeros((len(counts), FRAMES, 2), np.float32), frames)), "so"


def timed(texts, prompts, *, log_probs=None, attention=None, wanted=False):
    """The prediction for these rows; `looked` counts the calls of the attention."""

    def attend(variables, encoded, num_frames, asked, ids, num_tokens):
        assert attention is not None, "the attention was not needed"
        for row in attention:
            assert ids[row, : num_tokens[row]].tolist() == [i for i in texts[row] if i not in map(time, range(30))]
        whole = np.stack([attention.get(row, attention_of([])) for row in range(len(texts))])
        return Attention(whole, whole)

    head = None if log_probs is None else lambda variables, encoded: log_probs
    recognition = Recognition(16000, 0.08, BLANK, None, None, head, None, Prompting(99, None, attend))
    programs = TimedPrograms(Planted(texts, log_probs).start, recognition, TOKENIZER, PROMPT, {})
    programs._attention = lambda arguments: attend
    asked = Asked(np.array(prompts, np.int32), np.full(len(prompts), len(SAME), np.int32))
    shape = Shape(tuple(range(len(texts))), len(texts), 16000)
    variables = {"params": {"decoder": {}}}
    found, how = programs.start(variables, shape, {}, asked, tokens=True, log_probs=wanted)
    assert how == "so" and (found.log_probs is not None) == wanted
    return found


def row_of(found, row):
    """The ids, spans and confidence of a row, and where they are from."""
    count = found.tokens.num_tokens[row]
    part = [np.asarray(x)[row, :count].tolist() for x in (found.tokens.ids, found.tokens.starts, found.tokens.ends)]
    return part[0], list(zip(*part[1:], strict=True)), TIMINGS[found.timing[row]]


def spans_from(begin, count):
    return [(begin + 2 * i, begin + 2 * i + 1) for i in range(count)]


def test_each_row_has_the_times_of_the_best_source_that_it_has():
    size = len(SAY)
    written = [time(4), *SAY, time(9)]
    texts = [SAY, SAY, written, []]
    log_probs = np.stack([text_of(SAY, spans_from(3, size))] * 4)
    attention = {1: attention_of([*spans_from(1, size), (18, 20)])}
    prompts = [SAME, TRANSLATION, SAME, SAME]
    found = timed(texts, prompts, log_probs=log_probs, attention=attention)
    assert row_of(found, 0) == (SAY, spans_from(3, size), "ctc")
    assert row_of(found, 1) == (SAY, spans_from(1, size), "attention")  # CTC knows nothing of a translation
    ids, spans, timing = row_of(found, 2)
    assert (ids, timing) == (SAY, "tokens")
    np.testing.assert_allclose([spans[0][0], spans[-1][1]], [4, 9])
    assert row_of(found, 3)[0] == []
    sure = np.linspace(0.5, 1, 4 * len(written)).reshape(4, -1)  # as the search was of the tokens that are left
    np.testing.assert_allclose(found.tokens.confidence[2, :size], sure[2, 1:-1])


def test_without_a_head_and_times_it_is_where_the_decoder_looks():
    size = len(SAY)
    found = timed(
        [SAY, SAY], [SAME] * 2, attention={0: attention_of(spans_from(0, size)), 1: attention_of(spans_from(4, size))}
    )
    assert row_of(found, 0) == (SAY, spans_from(0, size), "attention")
    assert row_of(found, 1) == (SAY, spans_from(4, size), "attention")


def test_a_mark_ends_with_its_word_and_special_tokens_take_no_time():
    special = TOKENIZER.pieces.index("<|pnc|>")
    text = [special, *SAY, DOT, special]
    spans = spans_from(2, len(SAY))
    log_probs = text_of([*SAY, DOT], [*spans, (18, 20)])[None]
    found = timed([text], [SAME], log_probs=log_probs, wanted=True)
    end = spans[-1][1]
    assert row_of(found, 0) == (text, [(2, 2), *spans, (end, end), (end, end)], "ctc")


def test_a_text_with_more_tokens_than_frames_is_where_the_decoder_looks():
    text = SAY * 8
    log_probs = text_of([], [])[None]
    found = timed([text], [SAME], log_probs=log_probs, attention={0: np.random.default_rng(0).random((65, FRAMES))})
    ids, spans, timing = row_of(found, 0)
    assert timing == "attention" and ids == text
    borders = [border for span in spans for border in span]
    assert borders == pytest.approx(sorted(borders), abs=1e-5) and borders[-1] <= FRAMES
