"""Changes the tokenizer of a recogniser: pieces in both vocabularies keep their weights."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.surgery.stated import changed
from jaxspeech.text.tokenizer import Tokenizer


def change_vocabulary(archive: Archive, tokenizer: Tokenizer, *, seed: int = 0) -> Archive:
    """Returns the model with another tokenizer, for further training: pieces in both vocabularies keep their weights.

    Args:
      archive: any recogniser.
      tokenizer: the new tokenizer.
      seed: for the weights of new pieces.

    Raises:
      ConfigError: the model has a softmax for each language, or an attention decoder.
    """
    if archive.model["task"] == "attention":
        raise ConfigError("change_vocabulary: an attention decoder is trained further with its own tokenizer")
    if archive.model["decoder"].get("languages"):
        raise ConfigError("change_vocabulary: the model has a softmax for each language, whose tokens belong together")
    model = archive.model | {"decoder": archive.model["decoder"] | {"vocab_size": tokenizer.vocab_size}}

    @jax.jit
    def draw(key: Any) -> dict[Any, Any]:
        leaves = jax.tree_util.tree_leaves_with_path(build(model).init(key))
        return {_path(keys): leaf for keys, leaf in leaves if _axis_of_tokens(keys) is not None}

    drawn = draw(jax.random.key(seed))
    old_ids = {piece: i for i, piece in enumerate(archive.assets["tokenizer"].pieces)}
    kept = [(new, old_ids[piece]) for new, piece in enumerate(tokenizer.pieces) if piece in old_ids]

    def change(keys: Any, old: Any) -> Any:
        axis = _axis_of_tokens(keys)
        if axis is None:
            return old
        old, new = (jnp.moveaxis(jnp.asarray(x), axis, 0) for x in (old, drawn[_path(keys)]))
        # After the tokens: the blank, big blanks and durations, whose number does not change.
        rest = old[archive.assets["tokenizer"].vocab_size :]
        tokens = new[: tokenizer.vocab_size].astype(old.dtype)
        if kept:
            to, source = (jnp.asarray(ids) for ids in zip(*kept, strict=True))
            tokens = tokens.at[to].set(old[source])
        return jnp.moveaxis(jnp.concatenate([tokens, rest]), 0, axis)

    variables = jax.tree_util.tree_map_with_path(change, archive.variables)
    return changed(archive, model=model, assets={**archive.assets, "tokenizer": tokenizer}, variables=variables)


def _path(keys: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(key.key for key in keys)


def _axis_of_tokens(keys: tuple[Any, ...]) -> int | None:
    """Returns the token axis of a variable: an embedding's first, an output layer's last, None for others."""
    _, *module, leaf = _path(keys)
    if leaf == "table" and module[-1].startswith("embedding"):
        return 0
    if (module, leaf) == (["conditioning"], "kernel"):
        return 0
    return -1 if module in (["decoder", "out"], ["ctc_head", "out"], ["decoder", "joint", "out"]) else None
