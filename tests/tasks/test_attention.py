"""Tests an attention model's predictions: rows that are asked for different things do not depend on one another."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.prediction import predict
from jaxspeech.text.prompt import END, START, PromptFormat, padded
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


@pytest.fixture(scope="module", params=[1, 3])
def run(request):
    """Predicts padded recordings, by greedy or beam search."""
    sizes = {"vocab_size": TOKENIZER.vocab_size, "end_id": TOKENIZER.pieces.index(END), "max_length": 80}
    search = {"beam_size": request.param, "more_than_frames": 4}
    model = ATTENTION | {"decoder": ATTENTION["decoder"] | sizes, "search": search}
    # Weights large enough that prompts matter.
    variables = jax.tree.map(lambda x: 2 * x, random_variables(model))
    return jax.jit(partial(predict, build(model).inference, variables, tokens=True, log_probs=False))


def test_different_prompts_and_contexts_share_a_batch_whatever_the_padding_holds(run):
    samples = np.where(np.arange(16000) < LENGTHS[:, None], NOISE, np.nan).astype(np.float32)
    prompt, num_prompt = padded(PROMPTS)
    prompt = np.where(np.arange(prompt.shape[1]) < num_prompt[:, None], prompt, 10**6).astype(np.int32)
    assert len(set(num_prompt)) == 3 and prompt.shape[1] == 32
    tokens = run(samples, LENGTHS, Asked(prompt, num_prompt)).tokens
    texts = []
    for row in range(3):
        one = slice(row, row + 1)
        alone = run(NOISE[one, : LENGTHS[row]], LENGTHS[one], Asked(*padded(PROMPTS[one]))).tokens
        texts.append(tokens.ids[row, : tokens.num_tokens[row]].tolist())
        assert texts[-1] == alone.ids[0, : alone.num_tokens[0]].tolist()
        np.testing.assert_allclose(tokens.score[row], alone.score[0], rtol=1e-4)
    other = run(samples, LENGTHS, Asked(prompt[::-1], num_prompt[::-1])).tokens
    assert all(map(len, texts)) and [x.tolist() for x in other.score] != [x.tolist() for x in tokens.score]
