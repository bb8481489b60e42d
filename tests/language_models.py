"""Tiny language models, each with variables, for the tests of everything that runs one."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.archive import save_archive
from jaxspeech.builder import build
from jaxspeech.text.char import CharTokenizer

# No letter of its own stands for the end, which has the id 4.
CHARACTERS = " abc"
DECODERS = {
    # Each token attends to itself and two more, so that most texts are longer.
    "transformer": {"width": 8, "num_layers": 2, "num_heads": 2, "hidden_width": 12, "context": 3},
    "lstm": {"width": 6, "num_layers": 2, "cell_width": 8},
}


class Tiny(NamedTuple):
    config: dict[str, Any]
    task: Any
    variables: Any

    def write(self, path):
        assets = {"tokenizer": CharTokenizer(CHARACTERS)}
        save_archive(path, model=self.config, assets=assets, variables=jax.device_get(self.variables))
        return path


@functools.cache
def tiny(name="transformer", vocab_size=4) -> Tiny:
    """A model with large random weights: its probabilities differ much."""
    decoder = {"name": name, "vocab_size": vocab_size, **DECODERS[name]}
    config = {"task": "language_model", "decoder": decoder}
    task = build(config)
    shapes = jax.eval_shape(task.init, jax.random.key(0))
    rng = np.random.default_rng(7)
    variables = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape) * 0.6, x.dtype), shapes)
    return Tiny(config, task, variables)


@functools.cache
def stepped(name="transformer"):
    """The task's step, compiled."""
    return jax.jit(tiny(name).task.inference.step)


def log_prob(model: Tiny, tokens, *, name="transformer", end=True) -> float:
    """log p of a text by one step after another, summed in float64."""
    state, previous, total = model.task.inference.start(model.variables, 1), model.task.model.decoder.vocab_size, 0.0
    for token in [*tokens, previous] if end else tokens:
        logits, state = stepped(name)(model.variables, np.array([previous]), state)
        logits = np.asarray(logits[0], np.float64)
        total, previous = total + logits[token] - np.logaddexp.reduce(logits), token
    return total
