"""Tests an attention model's predictions: rows that are asked for different things do not depend on one another."""

from functools import cache, partial

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.tasks.asked import Asked, Drawn
from jaxspeech.tasks.attention_model import AttentionSearch
from jaxspeech.tasks.attention_search import decode_best
from jaxspeech.tasks.prediction import predict
from jaxspeech.text.prompt import PromptFormat, padded
from jaxspeech.text.prompt_slots import END, START, UNKNOWN
from jaxspeech.text.train import train_tokenizer
from tests.contract.cases import ATTENTION
from tests.interop.random_model import random_variables

NAMES = ("startofcontext", "emo:undefined", "en", "de", "pnc", "nopnc", "itn", "noitn", "timestamp", "notimestamp")
SPECIAL = [START, END, *(f"<|{name}|>" for name in (*NAMES, "diarize", "nodiarize"))]
TOKENIZER = train_tokenizer(["say a word", "or two"], type="bpe", vocab_size=40, special=SPECIAL)
# Contexts of no, few and many tokens.
SLOTS = [
    {"source_lang": "de", "decodercontext": "word or two word or two word say a word"},
    {"target_lang": "de", "pnc": "no"},
    {"decodercontext": "say", "itn": True},
]
PROMPTS = [PromptFormat("canary2").encode(TOKENIZER, slots) for slots in SLOTS]
LENGTHS = np.array([16000, 9000, 12500], np.int32)
NOISE = np.random.default_rng(0).normal(0, 0.1, (3, 16000)).astype(np.float32)


SIZES = {"vocab_size": TOKENIZER.vocab_size, "end_id": TOKENIZER.pieces.index(END), "max_length": 80}
CONFIG = ATTENTION | {"decoder": ATTENTION["decoder"] | SIZES}
# Weights large enough that prompts matter.
VARIABLES = jax.tree.map(lambda x: 2 * x, random_variables(CONFIG))
MODEL = build(CONFIG)


@pytest.fixture(scope="module", params=[1, pytest.param(3, marks=pytest.mark.slow)])
def run(request):
    """Greedy and beam search."""
    return predictor(request.param)


@cache
def predictor(beam_size):
    """Predicts padded recordings."""
    task = build(CONFIG | {"search": {"beam_size": beam_size, "more_than_frames": 4}})
    return jax.jit(partial(predict, task.inference, VARIABLES, tokens=True, log_probs=False))


def tokens_of(tokens, row):
    return tokens.ids[row, : tokens.num_tokens[row]].tolist()


def test_different_prompts_and_contexts_share_a_batch_whatever_the_padding_holds(run):
    samples = np.where(np.arange(16000) < LENGTHS[:, None], NOISE, np.nan).astype(np.float32)
    prompt, num_prompt = padded(PROMPTS)
    prompt = np.where(np.arange(prompt.shape[1]) < num_prompt[:, None], prompt, 10**6).astype(np.int32)
    assert len(set(num_prompt)) == 3 and prompt.shape[1] == 32
    tokens = run(samples, LENGTHS, Asked(prompt, num_prompt)).tokens
    texts = []
    for row in range(3):
        one = slice(row, row + 1)
        alone = run(samples[one], LENGTHS[one], Asked(prompt[one], num_prompt[one])).tokens
        texts.append(tokens_of(tokens, row))
        assert texts[-1] == tokens_of(alone, 0)
        np.testing.assert_allclose(tokens.score[row], alone.score[0], rtol=1e-4)
    other = run(samples, LENGTHS, Asked(prompt[::-1], num_prompt[::-1])).tokens
    assert all(map(len, texts)) and [x.tolist() for x in other.score] != [x.tolist() for x in tokens.score]


def test_the_language_is_the_most_probable_one_after_what_precedes_it():
    """Both are those of a decoder that reads the prompt up to the language's place, and as a whole."""
    run, format = predictor(1), PromptFormat("canary2")
    languages = format.languages(TOKENIZER)
    assert [TOKENIZER.pieces[i] for i in languages] == ["<|en|>", "<|de|>"]
    auto = {"source_lang": "auto", "decodercontext": "say a word or two word"}
    slots = [auto, {"source_lang": "de"}, {"source_lang": "AUTO", "target_lang": "en"}]
    ids = [format.encode(TOKENIZER, asked, unknown=UNKNOWN) for asked in slots]
    assert [row.count(UNKNOWN) for row in ids] == [2, 0, 1]
    prompt, num_prompt = padded(ids)
    # As wide as those of the other test, whose program it shares.
    prompts = np.pad(prompt, ((0, 0), (0, 32 - prompt.shape[1]))), num_prompt
    found = run(NOISE, LENGTHS, Asked(*prompts, languages=np.tile(np.array(languages, np.int32), (3, 1))))
    assert found.language[1] == UNKNOWN

    complete = np.where(prompts[0] == UNKNOWN, found.language[:, None], prompts[0])
    given = run(NOISE, LENGTHS, Asked(complete, prompts[1]))
    logits = jax.jit(partial(MODEL.model.apply, method="logits"))(VARIABLES, NOISE, LENGTHS, prompts[0])
    for row in range(3):
        assert tokens_of(found.tokens, row) == tokens_of(given.tokens, row)
        if row != 1:
            scores = logits[row, ids[row].index(UNKNOWN) - 1]
            assert found.language[row] == max(languages, key=lambda i: scores[i])


@jax.jit
def teacher_forced(encoded, num_frames, ids):
    variables = {"params": VARIABLES["params"]["decoder"]}
    logits = MODEL.model.decoder.apply(
        variables, encoded, num_frames, ids, method=lambda decoder, *inputs: decoder.logits(decoder(*inputs))
    )
    return jax.nn.log_softmax(logits)


DRAWN = Drawn(np.array([0.7, 1.0, 1.5], np.float32), np.array([1, 2, 3], np.uint32))


@pytest.mark.parametrize(
    ("beam_size", "options"),
    [(1, {}), (1, {"drawn": DRAWN}), (1, {"most_repeats": np.full(3, 2, np.int32)}), (3, {"num_best": 3})],
    ids=["greedy", "drawn", "guarded", "beam"],
)
def test_confidences_and_scores_are_those_of_teacher_forcing(beam_size, options):
    model = MODEL.model.clone(search=AttentionSearch(beam_size=beam_size, more_than_frames=12))
    encoded = np.random.default_rng(1).normal(size=(3, 6, 16)).astype(np.float32)
    num_frames, (prompt, num_prompt) = np.array([6, 4, 5], np.int32), padded(PROMPTS)
    inputs = encoded, num_frames, prompt, num_prompt
    best = jax.jit(lambda *inputs: decode_best(model, VARIABLES, *inputs, **options))(*inputs)
    assert len(best) == options.get("num_best", 1)
    for tokens in best:
        texts = [tokens_of(tokens, row) for row in range(3)]
        whole = np.zeros((3, 52), np.int32)
        for row, text in enumerate(texts):
            whole[row, : num_prompt[row] + len(text)] = [*PROMPTS[row], *text]
        log_probs = np.asarray(teacher_forced(encoded, num_frames, whole))
        for row, text in enumerate(texts):
            first = num_prompt[row] - 1
            said = np.array([log_probs[row, first + i, token] for i, token in enumerate(text)])
            np.testing.assert_allclose(tokens.confidence[row, : len(text)], np.exp(said), rtol=1e-3)
            ended = log_probs[row, first + len(text), SIZES["end_id"]]
            score = float(tokens.score[row])
            assert min(abs(score - said.sum()), abs(score - said.sum() - ended)) < 1e-3
    assert sum(map(len, texts)) > 3
