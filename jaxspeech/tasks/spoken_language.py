"""Finds the language that is spoken from one step of an attention decoder: it follows what precedes it in the prompt.

language = argmax_l p(l | prompt up to its place, audio)           over the tokens of languages
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.tasks.asked import Asked
from jaxspeech.text.prompt_slots import UNKNOWN


def find_languages(
    next_token: Callable[[Int[Array, "B P"], Int[Array, " B"]], Float[Array, "B V"]], asked: Asked
) -> tuple[Asked, Int[Array, " B"]]:
    """Completes prompts with the language that is spoken.

    Args:
      next_token: prompts and their numbers of tokens -> the logits of the token after them.
      asked: with `languages`, and prompts that have UNKNOWN for the language, perhaps in several places.

    Returns:
      What is asked for with complete prompts, and the token of each row's language; UNKNOWN where it was given.
    """
    prompt, num_prompt = jnp.asarray(asked.prompt), jnp.asarray(asked.num_prompt)
    languages: Any = jnp.asarray(asked.languages)
    unknown = (prompt == UNKNOWN) & (jnp.arange(prompt.shape[1]) < num_prompt[:, None])
    found_here = unknown.any(1)
    logits = next_token(prompt, jnp.where(found_here, unknown.argmax(1), num_prompt))
    best = jnp.take_along_axis(logits, languages, axis=1).argmax(1)
    language = jnp.take_along_axis(languages, best[:, None], axis=1)
    complete = asked._replace(prompt=jnp.where(unknown, language, prompt), languages=None)
    return complete, jnp.where(found_here, language[:, 0], UNKNOWN)
