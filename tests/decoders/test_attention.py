"""Tests the attention decoder: token by token it computes what it computes for whole texts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.decoders.attention import AttentionDecoder
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.attention_search import select_hypotheses

SMALL = {"vocab_size": 9, "width": 8, "num_layers": 2, "num_heads": 2, "hidden_width": 12, "max_length": 16}
SMALL |= {"encoder_heads": 2, "encoder_hidden_width": 12}
VARIANTS = {
    "norms first": {"encoder_layers": 1},
    "norms after": {"norm_first": False, "positions": "learnt", "token_types": 2, "activation": "gelu"},
}
RNG = np.random.default_rng(0)
ENCODED = RNG.normal(size=(3, 6, 10)).astype(np.float32)
NUM_FRAMES = np.array([6, 4, 2], np.int32)
# Prompts of different lengths, then three tokens of text.
PROMPTS, NUM_PROMPTS = RNG.integers(0, 9, (3, 4)).astype(np.int32), np.array([4, 1, 2], np.int32)
TEXTS = RNG.integers(0, 9, (3, 3)).astype(np.int32)


@pytest.fixture(scope="module", params=VARIANTS)
def decoder(request):
    module = AttentionDecoder(**SMALL | VARIANTS[request.param])
    variables = jax.jit(module.init)(jax.random.key(0), ENCODED, NUM_FRAMES, TEXTS)
    # No parameter keeps its initial value: zero biases would hide mistakes.
    return module, jax.tree.map(lambda x: x + 0.1 * RNG.normal(size=x.shape).astype(np.float32), variables)


def by_steps(module, encoded, num_frames, prompts, num_prompts, texts):
    logits, memory, past = module.start(encoded, num_frames, prompts, num_prompts, room=8)
    found = [logits]
    for token in range(texts.shape[1]):
        logits, past = module.step(texts[:, token : token + 1], memory, past)
        found.append(logits[:, 0])
    return jnp.stack(found, 1)


def test_steps_are_those_of_whole_texts_whatever_the_padding_holds(decoder):
    module, variables = decoder
    apply = jax.jit(lambda *inputs: module.apply(variables, *inputs, method=by_steps))
    found = apply(ENCODED, NUM_FRAMES, PROMPTS, NUM_PROMPTS, TEXTS)
    spoilt = np.where(np.arange(6)[:, None] < NUM_FRAMES[:, None, None], ENCODED, np.nan)
    prompts = np.where(np.arange(4) < NUM_PROMPTS[:, None], PROMPTS, 10**6)
    np.testing.assert_array_equal(apply(spoilt, NUM_FRAMES, prompts, NUM_PROMPTS, TEXTS), found)
    assert found.shape == (3, 4, 16)  # a multiple of 8

    @jax.jit
    def whole(encoded, num_frames, ids):
        return module.apply(variables, encoded, num_frames, ids, method=lambda m, *x: m.logits(m(*x)))

    for row, count in enumerate(NUM_PROMPTS):
        ids = np.zeros((1, 7), np.int32)
        ids[0, : count + 3] = [*PROMPTS[row, :count], *TEXTS[row]]
        alone = whole(ENCODED[row : row + 1, : NUM_FRAMES[row]], NUM_FRAMES[row : row + 1], ids)[0]
        np.testing.assert_allclose(found[row], alone[count - 1 : count + 3], atol=1e-5)


def test_in_half_precision_aligned_steps_are_those_of_whole_texts():
    """Six frames and eight places become eight, of which the added ones are not attended to."""
    module = AttentionDecoder(**SMALL | {"dtype": jnp.bfloat16})
    variables = jax.jit(module.init)(jax.random.key(0), ENCODED, NUM_FRAMES, TEXTS)
    prompts = ENCODED, NUM_FRAMES, PROMPTS, np.full(3, 4, np.int32)
    found = jax.jit(lambda: module.apply(variables, *prompts, jnp.asarray(TEXTS), method=by_steps))()
    ids = np.concatenate([PROMPTS, TEXTS], 1)
    whole = jax.jit(lambda: module.apply(variables, *prompts[:2], ids, method=lambda m, *x: m.logits(m(*x))))()
    np.testing.assert_allclose(np.float32(found), np.float32(whole[:, 3:]), atol=0.05)


def test_selected_hypotheses_continue_the_texts_of_their_parents(decoder):
    module, variables = decoder
    rng = np.random.default_rng(1)
    tokens, parents = rng.integers(0, 9, (4, 3, 3)), rng.integers(0, 3, (4, 3, 3))
    parents[0] = 0  # of one hypothesis in each row
    assert len({tuple(row) for row in parents[1:].reshape(-1, 3)}) > 4

    def by_steps(module):
        _, memory, past = module.start(ENCODED, NUM_FRAMES, PROMPTS, NUM_PROMPTS, room=8)
        for of_step, ids in zip(jnp.asarray(parents), jnp.asarray(tokens), strict=True):
            logits, past = module.step(ids, memory, select_hypotheses(past, of_step))
        return logits

    def whole(encoded, num_frames, ids):
        return module.apply(variables, encoded, num_frames, ids, method=lambda m, *x: m.logits(m(*x)))

    found = jax.jit(lambda: module.apply(variables, method=by_steps))()
    inputs, ends = [], []
    for row, count in enumerate(NUM_PROMPTS):
        texts = [[]] * 3
        for step in range(4):
            texts = [[*texts[parents[step, row, k]], tokens[step, row, k]] for k in range(3)]
        for text in texts:
            inputs.append((row, [*PROMPTS[row, :count], *text, *[0] * (4 - count)]))
            ends.append(count + 3)
    rows = np.array([row for row, _ in inputs])
    expected = jax.jit(whole)(ENCODED[rows], NUM_FRAMES[rows], np.array([ids for _, ids in inputs], np.int32))
    expected = expected[np.arange(9), ends].reshape(3, 3, -1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_weights_of_the_frames_are_those_of_queries_and_keys_in_whole_texts_and_in_steps(decoder):
    module, variables = decoder
    ids = np.concatenate([PROMPTS, TEXTS], 1)

    def whole(encoded):
        kept = {"capture_intermediates": lambda layer, _: layer.name in ("query", "key")}
        inputs = encoded, NUM_FRAMES, ids
        return module.apply(variables, *inputs, method="cross_attention", layers=(-1, 0), **kept)

    weights, seen = jax.jit(whole)(ENCODED)
    assert weights.shape == (3, 4, 7, 6)
    for place, layer in enumerate(("layers_1", "layers_0")):
        seen_by_layer = seen["intermediates"][layer]["cross_attention"]
        queries, keys = (np.asarray(seen_by_layer[name]["__call__"][0], np.float64) for name in ("query", "key"))
        for row, frames in enumerate(NUM_FRAMES):
            for head in range(2):
                of_head = slice(4 * head, 4 * head + 4)
                scores = np.exp(queries[row, :, of_head] @ keys[row, :frames, of_head].T / 2)  # sqrt(4)
                expected = np.zeros((7, 6))
                expected[:, :frames] = scores / scores.sum(1, keepdims=True)
                np.testing.assert_allclose(weights[row, 2 * place + head], expected, atol=1e-5)

    def by_watched_steps(module):
        _, memory, past = module.start(ENCODED, NUM_FRAMES, PROMPTS, np.full(3, 4, np.int32), room=8)
        texts = jnp.asarray(TEXTS)
        found = []
        for token in range(3):
            _, past, weights = module.watched_step(texts[:, token : token + 1], memory, past, layers=(-1, 0))
            found.append(weights[:, 0])
        return jnp.stack(found, 2)

    steps = jax.jit(lambda: module.apply(variables, method=by_watched_steps))()
    np.testing.assert_allclose(steps, weights[:, :, 4:], atol=1e-5)


def test_heads_that_do_not_fit_the_width_are_one_line():
    module = AttentionDecoder(**SMALL | {"num_heads": 3})
    with pytest.raises(ConfigError, match="width 8 is not divisible by"):
        jax.eval_shape(module.init, jax.random.key(0), ENCODED, NUM_FRAMES, TEXTS)
