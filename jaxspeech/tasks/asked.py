"""What is asked of an attention decoder for each row of a batch: arguments of its programs, as the audio is.

A part that is None is not in the program: what nobody asks for costs nothing.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Float, Int


class Drawn(NamedTuple):
    """How tokens are drawn instead of being searched.

    Attributes:
      temperature: the logits of each row are divided by it.
      seed: of each row's random numbers, which do not depend on the other rows.
    """

    temperature: Float[Any, " B"]
    seed: Int[Any, " B"]


class Asked(NamedTuple):
    """What is asked for, B leading in every leaf.

    Attributes:
      prompt: token ids that the decoder reads before the text; `text.prompt_slots.UNKNOWN` stands for the language that
        is spoken.
      num_prompt: real tokens of each prompt, at least 1.
      languages: token ids of the languages among which that one is found; None: all prompts are complete.
      most_repeats: how often a text may end with the same tokens before it is stopped, see `search.loops`; None: it is
        never stopped.
      drawn: how tokens are drawn; None: by the search that is configured.
    """

    prompt: Int[Any, "B P"]
    num_prompt: Int[Any, " B"]
    languages: Int[Any, "B _"] | None = None
    most_repeats: Int[Any, " B"] | None = None
    drawn: Drawn | None = None


def asked_of(language: Int[Any, " B"] | None) -> tuple[Asked, ...]:
    """Returns what a search takes beside frames: the language of each row, or nothing where there is none."""
    if language is None:
        return ()
    ids = jnp.asarray(language)[:, None]
    return (Asked(ids, jnp.ones_like(ids[:, 0])),)
