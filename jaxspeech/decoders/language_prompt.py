"""The language prompt of a recogniser: each encoder frame is projected together with the language that is asked for.

    y_t = W_down relu(W_up [x_t; one_hot(language)] + b_up) + b_down

There is no residual path. All heads, of a transducer and of CTC, see y. Source: NeMo's PromptStreamingMixin
(asr/parts/mixins/mixins.py), whose `prompt_kernel` this is.
"""

from typing import Any, Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError

# Which prompt an utterance is trained with: its language, "auto", or one of both by chance.
Mode = Literal["langID", "auto", "unified"]
# NeMo's projection is twice as wide inside as outside.
EXPANSION = 2


class LanguagePrompt(nn.Module):
    """The equation above.

    Attributes:
      num_prompts: L, the number of prompts, at least that of the languages; 0 in a recipe: that of the languages.
      mode: how the prompt of a training utterance is chosen, unless its line has a `prompt_mode`: "langID" is its
        language, "auto" the prompt that leaves the language open, "unified" that one with a probability of
        `auto_share`. An evaluation has the language of each line, and with "auto" that prompt.
      auto_share: see `mode`.
      dtype: of the matrix products.
    """

    num_prompts: int = 128
    mode: Mode = "unified"
    auto_share: float = 0.5
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise TypeError(f"mode is {self.mode!r}; it must be {' or '.join(get_args(Mode))}")
        if not 0 <= self.auto_share <= 1:
            raise TypeError(f"auto_share is {self.auto_share}; it must be from 0 to 1")
        super().__post_init__()

    @nn.compact
    def __call__(self, encoded: Float[Any, "B T D"], language: Int[Any, " B"]) -> Float[Array, "B T D"]:
        """Projects encoder frames with the language of each row, from 0 to L - 1."""
        encoded = jnp.asarray(encoded)
        prompt = jax.nn.one_hot(jnp.asarray(language), self.num_prompts, dtype=encoded.dtype)
        prompt = jnp.broadcast_to(prompt[:, None], (*encoded.shape[:2], self.num_prompts))
        width = encoded.shape[-1]
        hidden = nn.Dense(EXPANSION * width, dtype=self.dtype, name="up")(jnp.concatenate([encoded, prompt], -1))
        return nn.Dense(width, dtype=self.dtype, name="down")(jax.nn.relu(hidden)).astype(encoded.dtype)


def prompted(
    prompt: LanguagePrompt | None, encoded: Float[Any, "B T D"], language: Int[Any, " B"] | None
) -> Float[Array, "B T D"]:
    """Returns the encoder frames that the heads of a model see; those of a model without prompts as they are.

    Raises:
      ConfigError: the model has a language prompt, and no language is given.
    """
    if prompt is None:
        return jnp.asarray(encoded)
    if language is None:
        raise ConfigError("this model reads the language of each row: give it beside the audio")
    return prompt(encoded, language)
