"""By how many frames each symbol of a transducer advances; `search.transducer` has the table."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError


def frame_jumps(
    logits: Float[Any, "*batch W"],
    *,
    blank_id: int,
    durations: tuple[int, ...] = (),
    big_blank_durations: tuple[int, ...] = (),
) -> tuple[Bool[Array, "*batch"], Int[Array, "*batch"], Int[Array, "*batch"]]:
    """Returns whether a blank is the most probable symbol, by how many frames it would advance, and a token.

    Raises:
      ConfigError: the width of the logits does not match these options.
    """
    width = blank_id + 1 + len(durations)
    if logits.shape[-1] != width:
        raise ConfigError(f"the joint gives {logits.shape[-1]} logits, but blank_id and durations require {width}")
    vocab_size = blank_id - len(big_blank_durations)
    blanks = logits[..., vocab_size : blank_id + 1]
    is_blank = logits[..., :vocab_size].max(-1) < blanks.max(-1)
    if durations:
        jump = jnp.array(durations, jnp.int32)[logits[..., blank_id + 1 :].argmax(-1)]
        return is_blank, jnp.maximum(jump, 1), jump
    blank_jump = jnp.array((*big_blank_durations[::-1], 1), jnp.int32)[blanks.argmax(-1)]
    return is_blank, blank_jump, jnp.zeros_like(blank_jump)


def tokens_per_frame(max_symbols: int | None, durations: tuple[int, ...]) -> int:
    """Returns the maximum number of tokens per frame: 1 if every token advances to another frame.

    Raises:
      ConfigError: it is not positive, or there is no limit.
    """
    if durations and 0 not in durations:
        return 1
    if max_symbols is None:
        raise ConfigError("max_symbols=None: the search may never leave a frame; set the maximum of tokens per frame")
    if max_symbols < 1:
        raise ConfigError(f"max_symbols={max_symbols}: at least one token per frame must be allowed")
    return max_symbols
