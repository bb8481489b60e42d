"""Makes archives of models with random weights, in which nothing is at its initial value."""

from typing import Any

import jax
import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.train import train_tokenizer
from jaxspeech.types import Variables

SENTENCES = ["the quick brown fox jumps over the lazy dog", "pack my box with five dozen liquor jugs", "seven ate nine"]
CHARACTERS = CharTokenizer(list(" abcdefghijklmnopqrstuvwxyz'"))


def pieces_tokenizer(kind: str = "bpe") -> Tokenizer:
    """Trains SentencePiece on a few sentences."""
    return train_tokenizer(SENTENCES, type=kind, vocab_size=36)


def random_archive(model: Any, tokenizer: Tokenizer, *, seed: int = 0) -> Archive:
    """Makes a random model of this configuration, with the tokenizer's vocabulary."""
    model = model | {"decoder": model["decoder"] | {"vocab_size": tokenizer.vocab_size}}
    return Archive(model, {"tokenizer": tokenizer}, random_variables(model, seed=seed), {})


def random_variables(model: Any, *, seed: int = 0) -> Variables:
    """Draws the variables of the model of a configuration."""
    return task_variables(build(model), seed=seed)


def task_variables(task: Any, *, seed: int = 0) -> Variables:
    """Draws the variables of a task, which takes less time than its initialisation."""
    return random_leaves(jax.eval_shape(task.init, jax.random.key(0)), seed=seed)


def random_leaves(shapes: Any, *, seed: int = 0) -> Variables:
    """Draws variables of these shapes, with which signals keep their size from layer to layer."""
    rng = np.random.default_rng(seed)

    def draw(keys: tuple[Any, ...], leaf: Any) -> np.ndarray:
        if not np.issubdtype(leaf.dtype, np.floating):
            return np.zeros(leaf.shape, leaf.dtype)  # numbers of steps
        x = rng.standard_normal(leaf.shape).astype(np.float32)
        match keys[-1].key:
            case "scale":
                return 1 + 0.1 * x
            case "var":
                return 0.5 + np.abs(x)
        *inputs, _ = leaf.shape[1:] if any(key.key == "layers" for key in keys) else leaf.shape
        return x / np.sqrt(np.prod(inputs)).astype(np.float32) if inputs else 0.3 * x

    return jax.tree_util.tree_map_with_path(draw, shapes)
