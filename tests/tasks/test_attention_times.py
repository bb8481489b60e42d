"""Where an attention decoder looks: the rows are those of the texts, whatever the prompts and the other rows are."""

import jax
import numpy as np

from jaxspeech.builder import build
from jaxspeech.tasks.asked import Asked
from tests.contract.cases import ATTENTION
from tests.interop.random_model import random_variables

RNG = np.random.default_rng(0)
LAYERS = {"num_layers": 3, "vocab_size": 20}


def test_a_token_has_the_weights_of_the_place_before_its_own_in_the_upper_layers():
    model = ATTENTION | {"decoder": ATTENTION["decoder"] | LAYERS}
    task, variables = build(model), random_variables(model)
    width = task.model.encoder.output_dim
    encoded = RNG.normal(size=(2, 6, width)).astype(np.float32)
    num_frames, num_tokens = np.array([6, 4], np.int32), np.array([3, 2], np.int32)
    prompt, ids = (RNG.integers(0, 20, size).astype(np.int32) for size in ((2, 5), (2, 4)))
    asked = Asked(prompt, np.array([2, 5], np.int32))
    found = jax.jit(task.inference.prompts.attend)(variables, encoded, num_frames, asked, ids, num_tokens)
    decoder = {"params": variables["params"]["decoder"]}
    for row in range(2):
        text = [*prompt[row, : asked.num_prompt[row]], *ids[row, : num_tokens[row]]]
        inputs = encoded[row, : num_frames[row]][None], num_frames[row : row + 1], np.array([text], np.int32)
        look = jax.jit(lambda *x: task.model.decoder.apply(decoder, *x, method="cross_attention", layers=(0, 1, 2)))
        heads = look(*inputs)[0].reshape(3, -1, len(text), num_frames[row])
        # The first place is the last one of the prompt; a text is predicted up to its end.
        expected = heads[1:, :, asked.num_prompt[row] - 1 :].reshape(-1, num_tokens[row] + 1, num_frames[row])
        real = slice(num_tokens[row] + 1), slice(num_frames[row])
        np.testing.assert_allclose(found.weights[row][real], expected.mean(0), atol=1e-5)
        scores = (expected - expected.mean(1, keepdims=True)) / expected.std(1, keepdims=True)
        np.testing.assert_allclose(found.scores[row][real], scores.mean(0), atol=1e-3)
