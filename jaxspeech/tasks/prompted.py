"""The search of a model with a language prompt, which is projected into the encoder's frames before the search."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.language_prompt import LanguagePrompt
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.kinds import IncrementalSearch, Prompting
from jaxspeech.tasks.recognition import Search
from jaxspeech.types import Size, Variables

# No text is too long for a prompt that is no part of it.
MOST_TOKENS = 1 << 30


class PromptedState(NamedTuple):
    """The state of an incremental search, and what is asked for.

    Attributes:
      search: the state of the search itself.
      prompt, num_prompt: as in `Asked`; one id for each row.
    """

    search: Any
    prompt: Int[Any, "B 1"]
    num_prompt: Int[Any, " B"]


def prompted_search(prompt: LanguagePrompt | None, search: Search) -> Search:
    """Returns the same search over the frames that `prompt` projects; `search` itself if it is None.

    Its functions take `Asked`, whose first id is the language, after their other arguments. The variables of `prompt`
    are those of the model's field `language_prompt`.
    """
    if prompt is None:
        return search
    module = prompt

    def frames(variables: Variables, encoded: Float[Any, "B T D"], language: Int[Any, " B"]) -> Float[Array, "B T D"]:
        apply: Any = module.apply
        return apply({"params": variables["params"]["language_prompt"]}, encoded, language)

    def asking(function: Any) -> Any:
        """Makes a function of frames one of frames and what is asked for, its last argument."""
        if function is None:
            return None

        def asked_for(variables: Variables, encoded: Any, *arguments: Any, **options: Any) -> Any:
            *others, asked = arguments
            return function(variables, frames(variables, encoded, asked.prompt[:, 0]), *others, **options)

        return asked_for

    incremental = search.incremental
    if incremental is not None:
        inner = incremental

        def start(variables: Variables, batch_size: Size) -> PromptedState:
            ids = jnp.zeros((batch_size, 1), jnp.int32)
            return PromptedState(inner.start(variables, batch_size), ids, jnp.ones_like(ids[:, 0]))

        def step(
            variables: Variables, encoded: Any, num_frames: Any, state: PromptedState
        ) -> tuple[Tokens, Int[Array, " B"], PromptedState]:
            encoded = frames(variables, encoded, state.prompt[:, 0])
            tokens, again, found = inner.step(variables, encoded, num_frames, state.search)
            return tokens, again, state._replace(search=found)

        incremental = IncrementalSearch(start, step)
    return Search(
        asking(search.decode), asking(search.log_probs), incremental, asking(search.decode_best), Prompting(MOST_TOKENS)
    )
