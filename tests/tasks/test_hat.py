"""Hybrid autoregressive transducers: the loss of a task, the search's scores, and the language model inside."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.losses.transducer import rnnt_loss
from jaxspeech.search.fusion import FUSION, Fused, fusion_of
from jaxspeech.tasks.internal_language_model import internal_language_model
from jaxspeech.tasks.recognition import Utterances
from tests.contract.cases import RECOGNITION

VOCABULARY = 3


@pytest.fixture(scope="module")
def hat():
    """A task, its variables, and a batch."""
    decoder = RECOGNITION["transducer"]["decoder"] | {"hat": True, "vocab_size": VOCABULARY}
    task = build(RECOGNITION["transducer"] | {"decoder": decoder})
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(task.init, jax.random.key(0))
    variables = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape) * 0.5, x.dtype), shapes)
    samples = rng.normal(size=(2, 6000)).astype(np.float32)
    labels = np.array([[0, 2], [1, 0]])
    return task, variables, Utterances(samples, np.array([6000, 4000]), labels, np.array([2, 1]), np.arange(2))


def test_the_loss_is_that_of_the_log_probabilities(hat):
    task, variables, batch = hat
    rows, _ = jax.jit(task.phases[0].loss)(variables, batch, jax.random.key(0))
    log_probs, num_frames = jax.jit(partial(task.model.apply, method="logits"))(variables, *batch[:3])
    real = np.asarray(log_probs[0, : num_frames[0]], np.float64)
    np.testing.assert_allclose(np.exp(real).sum(-1), 1, rtol=1e-5)
    expected = rnnt_loss(log_probs, num_frames, batch.labels, batch.num_labels, blank_id=VOCABULARY)
    np.testing.assert_allclose(rows.losses, expected, rtol=1e-5)


def test_the_blank_can_have_another_activation(hat):
    """The loss, in blocks, and the logits of the search are those of the equation."""
    _, variables, batch = hat
    decoder = RECOGNITION["transducer"]["decoder"] | {"hat": True, "vocab_size": VOCABULARY, "blank_activation": "tanh"}
    other = build(RECOGNITION["transducer"] | {"decoder": decoder})
    rows, _ = jax.jit(other.phases[0].loss)(variables, batch, jax.random.key(0))
    log_probs, num_frames = jax.jit(partial(other.model.apply, method="logits"))(variables, *batch[:3])
    expected = rnnt_loss(log_probs, num_frames, batch.labels, batch.num_labels, blank_id=VOCABULARY)
    np.testing.assert_allclose(rows.losses, expected, rtol=1e-5)
    out = variables["params"]["decoder"]["joint"]["out"]
    encoded, predicted = np.random.default_rng(1).normal(size=(2, 1, len(out["kernel"]))).astype(np.float32)
    apply = partial(other.model.decoder.apply, {"params": variables["params"]["decoder"]}, method="logits")
    blank = np.tanh(encoded + predicted) @ out["kernel"][:, VOCABULARY] + out["bias"][VOCABULARY]
    labels = np.maximum(encoded + predicted, 0) @ out["kernel"][:, :VOCABULARY] + out["bias"][:VOCABULARY]
    found = apply(jnp.asarray(encoded), jnp.asarray(predicted))
    np.testing.assert_allclose(found[:, VOCABULARY], -np.logaddexp(0, -blank), rtol=1e-5)
    labels = labels - np.logaddexp.reduce(np.asarray(labels), -1, keepdims=True) - np.logaddexp(0, blank)[:, None]
    np.testing.assert_allclose(found[:, :VOCABULARY], labels, rtol=1e-4, atol=1e-5)


def test_the_internal_language_model_hears_nothing(hat):
    """Its scores are the labels' softmax without the encoder, and sum to one whatever the blank's logit is."""
    task, variables, _ = hat
    model = internal_language_model(task.model, variables, key="hat")

    @jax.jit
    def run(model, tokens):
        fused = Fused((model,), jnp.array([-0.5]), jnp.zeros((1, 1), jnp.int32))
        fusion = fusion_of({FUSION: fused._asdict()}, 2)
        assert fusion is not None
        after = fusion.extend(fusion.state, tokens)
        return fusion.scores(fusion.state), fusion.scores(after), fusion.end(after)

    first, after, end = run(model, jnp.array([2, 0]))
    params = jax.tree.map(np.asarray, variables["params"]["decoder"])
    joint, apply = params["joint"], partial(task.model.decoder.apply, {"params": params})
    inputs = apply(jnp.zeros((2, 1, 16)), jnp.array([[2], [0]]), method="joint_inputs")
    for place, scores in ((0, first), (1, after)):
        hidden = np.maximum(np.asarray(inputs.predicted[:, place]), 0)
        logits = (hidden @ joint["out"]["kernel"] + joint["out"]["bias"])[:, :VOCABULARY]
        log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        np.testing.assert_allclose(scores, -0.5 * log_probs, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(end, [0, 0])


def test_what_cannot_be_is_refused(hat):
    task, variables, _ = hat
    for fields in ({"big_blanks": (2,)}, {"languages": ("de", "en", "fr"), "language": "de"}):
        decoder = task.model.decoder.clone(**fields)
        with pytest.raises(ConfigError, match="hat"):
            decoder.init(jax.random.key(0), jnp.zeros((1, 1, 4)), jnp.zeros((1, 1), jnp.int32))
    with pytest.raises(ConfigError, match="no transducer"):
        internal_language_model(build(RECOGNITION["ctc"]).model, variables, key="")
