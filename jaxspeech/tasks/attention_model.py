"""The model with an attention decoder, and the options of its loss and of its search."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from jaxtyping import Array, Float, Int

from jaxspeech.decoders.attention import AttentionDecoder
from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.tasks.ctc_scored import CTCScored
from jaxspeech.types import Sound, Variables


@dataclass(frozen=True)
class AttentionLoss:
    """Options of the loss.

    Attributes:
      label_smoothing: share of the probability that is spread over all tokens.
      prompt: the prompt's tokens are targets too.
      ctc_weight: w, the weight of the CTC loss, below 1; with 0 the model has no CTC head.
    """

    label_smoothing: float = 0.0
    prompt: bool = True
    ctc_weight: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.ctc_weight < 1:
            raise TypeError(f"ctc_weight is {self.ctc_weight}; it must be at least 0, and below 1")


@dataclass(frozen=True)
class AttentionSearch:
    """Options of the search.

    Attributes:
      beam_size: hypotheses of the beam search; 1 for the greedy search.
      length_penalty: exponent of the length by which a beam's scores are divided; see `search.attention_beam`.
      least_tokens: no text has fewer tokens; with 0 it may be empty, as that of silence is.
      more_than_frames: prompt and text have at most this many tokens more than the recording has encoder frames; a text
        alone may have as many as there are frames, however long its prompt is.
      ctc_weight: w, below 1: the beam search ranks by (1 - w) log p(text) by the decoder + w log p(text) by the CTC
        head; 0: by the decoder alone.
      ctc_candidates: tokens of each hypothesis that the decoder proposes and the CTC head scores.
    """

    beam_size: int = 1
    length_penalty: float = 0.0
    least_tokens: int = 0
    more_than_frames: int = 50
    ctc_weight: float = 0.0
    ctc_candidates: int = 16

    def __post_init__(self) -> None:
        for name in ("beam_size", "ctc_candidates"):
            if getattr(self, name) < 1:
                raise TypeError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.ctc_weight < 1:
            raise TypeError(f"ctc_weight is {self.ctc_weight}; it must be at least 0, and below 1")


class AttentionModel(CTCScored, kw_only=True):
    """An encoder with a Transformer decoder and, if its loss has a weight, a CTC head over the same tokens."""

    decoder: AttentionDecoder
    loss: AttentionLoss = AttentionLoss()
    search: AttentionSearch = AttentionSearch()

    def setup(self) -> None:
        if self.loss.ctc_weight:
            self.ctc_head = CTCHead(self.decoder.vocab_size, self.decoder.dtype)

    def outputs(
        self, samples: Sound, num_samples: Int[Any, " B"], ids: Int[Any, "B N"], *, train: bool = False
    ) -> tuple[Float[Array, "B N D"], Float[Array, "B T W"] | None, Int[Array, " B"]]:
        """Computes the decoder's states after each token, the CTC head's logits, and num_frames of the encoder."""
        encoded, num_frames = self.encode(samples, num_samples, train=train)
        states = self.decoder(encoded, num_frames, ids, train=train)
        return states, self.ctc_head(encoded) if self.loss.ctc_weight else None, num_frames

    def logits(
        self, samples: Sound, num_samples: Int[Any, " B"], ids: Int[Any, "B N"], *, train: bool = False
    ) -> Float[Array, "B N W"]:
        """Computes the scores of the token after each token."""
        return self.decoder.logits(self.outputs(samples, num_samples, ids, train=train)[0])

    def ctc_logits(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        return self.ctc_head(encoded)

    __call__ = logits


def decoder_apply(model: AttentionModel, variables: Variables) -> Any:
    """Returns `apply` of the decoder alone, with the model's variables."""
    return partial(model.decoder.apply, {"params": variables["params"]["decoder"]})
