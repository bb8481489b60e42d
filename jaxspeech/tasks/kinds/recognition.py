"""A recogniser: speech to text."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int

from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.kinds.arrays import Frames, Lengths, Samples
from jaxspeech.types import Size, Variables


class IncrementalSearch(NamedTuple):
    """A search that processes the encoder's frames part by part.

    Attributes:
      start: (variables, batch size) -> state before the first frame.
      step: (variables, encoder frames, num_frames, state) -> (Tokens, whose frames count from the start of the
        recording; how many of the first tokens replace the last ones of the previous step [B]; state).
    """

    start: Callable[[Variables, Size], Any]
    step: Callable[[Variables, Frames, Lengths, Any], tuple[Tokens, Int[Array, " B"], Any]]


class Attention(NamedTuple):
    """Where an attention decoder looks when it predicts each token of a text, and the end of the text: N = U + 1.

    Attributes:
      scores: how well each token fits each frame, see `search.attention_times`.
      weights: of the attention, the mean over its heads.
    """

    scores: Float[Any, "B N T"]
    weights: Float[Any, "B N T"]


class Prompting(NamedTuple):
    """How a recogniser is asked for something.

    Attributes:
      most_tokens: of prompt and text together.
      complete: (variables, encoder frames, num_frames, Asked with languages) -> (Asked with complete prompts, the token
        of the language that was found in each row [B]); None if all prompts are complete.
      attend: (variables, encoder frames, num_frames, Asked with complete prompts, token ids [B U], num_tokens) -> where
        the decoder looks; None for a model without an attention decoder.
    """

    most_tokens: int
    complete: Callable[[Variables, Frames, Lengths, Asked], tuple[Asked, Lengths]] | None = None
    attend: Callable[[Variables, Frames, Lengths, Asked, Int[Any, "B U"], Lengths], Attention] | None = None


class Recognition(NamedTuple):
    """Speech to text.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per encoder frame.
      vocab_size: V, tokens without the blank.
      encode: waveforms -> (encoder frames [B T D], num_frames [B]).
      decode: (variables, encoder frames, num_frames) -> Tokens, by the search that is configured; with `Asked` as the
        fourth argument if the model reads prompts.
      log_probs: (variables, encoder frames) -> [B T V+1] float32, the blank last; None without a CTC head. With `Asked`
        as the third argument if the model reads prompts and has no attention decoder: its head sees the prompt too.
      incremental: the greedy search, part by part; None if a beam search is configured.
      prompts: how it is asked for something; None for a model without prompts.
      decode_best: what `decode` does, with the keyword `num_best` -> the best hypotheses, the best first; None for a
        greedy search. Ranks without a hypothesis have no tokens and the score -inf.
    """

    sample_rate: int
    frame_seconds: float
    vocab_size: int
    encode: Callable[[Variables, Samples, Lengths], tuple[Frames, Lengths]]
    decode: Callable[..., Tokens]
    log_probs: Callable[..., Float[Array, "B T W"]] | None
    incremental: IncrementalSearch | None
    prompts: Prompting | None = None
    decode_best: Callable[..., list[Tokens]] | None = None

    @property
    def prompted(self) -> bool:
        """Whether it reads a prompt."""
        return self.prompts is not None

    @property
    def attends(self) -> bool:
        """Whether an attention decoder writes its texts."""
        return self.prompts is not None and self.prompts.attend is not None
