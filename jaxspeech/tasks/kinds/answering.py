"""A language model that hears: conversations with audio to answers."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int

from jaxspeech.types import Variables


class Answering(NamedTuple):
    """Conversations with audio in them to answers.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per place in a prompt.
      vocab_size: V, the rows of the language model's table; a tokenizer may have fewer tokens.
      frames: numbers of samples [N] -> how many places in a prompt such audios take [N], on the host. An audio without
        samples takes none.
      start: (variables, prompts, most_tokens) -> (logits of the first token of each answer [B V], state with room for
        so many tokens). The prompts are `tasks.speech_lm.Conversations`, of which the first `num_prompt` places count.
      extend: (variables, prompts, state) -> the same, where each row's prompt follows what its state holds.
      step: (variables, token ids [B], state) -> (logits of the next token [B V], state).
      state: the NamedTuple classes of which a state consists.
    """

    sample_rate: int
    frame_seconds: float
    vocab_size: int
    frames: Callable[[Int[Any, " N"]], Int[Any, " N"]]
    start: Callable[[Variables, Any, int], tuple[Float[Array, "B V"], Any]]
    extend: Callable[[Variables, Any, Any], tuple[Float[Array, "B V"], Any]]
    step: Callable[[Variables, Int[Any, " B"], Any], tuple[Float[Array, "B V"], Any]]
    state: tuple[type, ...] = ()
