"""Speech recognition with a transducer and a CTC head on a shared encoder (Noroozi et al., 2024).

loss = (1 - w) transducer + w CTC
"""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.decoders.language_prompt import prompted
from jaxspeech.decoders.transducer import TransducerDecoder
from jaxspeech.tasks.acoustic import any_language, shortest_audio
from jaxspeech.tasks.ctc_scored import CTCScored
from jaxspeech.tasks.ctc_search import CTCSearch, ctc_search
from jaxspeech.tasks.parts import LANGUAGE_PROMPT, MASKS, PRODUCTS, TRUNK, Kind
from jaxspeech.tasks.prompted import prompted_search
from jaxspeech.tasks.recognition import (
    RecognitionTask,
    Utterances,
    ctc_losses,
    label_losses,
    recognition_task,
)
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.tasks.transducer import (
    DECODER,
    TRANSDUCER_ADVICE,
    TransducerLoss,
    TransducerSearch,
    transducer_frames_needed,
    transducer_losses,
    transducer_search,
)
from jaxspeech.types import Key, RowLosses, Sound, Variables

HEADS = ("transducer", "ctc")


@dataclass(frozen=True)
class HybridSearch(CTCSearch, TransducerSearch):
    """Options of the searches of both heads.

    Attributes:
      head: the head whose search is used, "transducer" or "ctc".
    """

    head: Literal["transducer", "ctc"] = "transducer"

    def __post_init__(self) -> None:
        CTCSearch.__post_init__(self)
        TransducerSearch.__post_init__(self)
        if self.head not in HEADS:
            raise TypeError(f"head is {self.head!r}; it must be {' or '.join(HEADS)}")


class HybridModel(CTCScored, kw_only=True):
    """An encoder with both a transducer and a CTC head, over the same tokens.

    Attributes:
      ctc_weight: w, the weight of the CTC loss.
    """

    decoder: TransducerDecoder
    ctc_weight: float = 0.3
    loss: TransducerLoss = TransducerLoss()
    search: HybridSearch = HybridSearch()

    def setup(self) -> None:
        self.ctc_head = ctc_head(self.decoder)

    def outputs(
        self,
        samples: Sound,
        num_samples: Int[Any, " B"],
        labels: Int[Any, "B U"],
        language: Int[Any, " B"] | None = None,
        *,
        train: bool = False,
    ) -> tuple[Any, Float[Array, "B T W"], Int[Array, " B"]]:
        """Computes the transducer's joint inputs, the CTC head's logits, and num_frames of the encoder."""
        encoded, num_frames = self.encode(samples, num_samples, train=train)
        encoded = prompted(self.language_prompt, encoded, language)
        inputs = self.decoder.joint_inputs(encoded, labels, train=train)
        return inputs, self.ctc_head(encoded), num_frames

    def ctc_logits(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        return self.ctc_head(encoded)

    __call__ = outputs


def ctc_head(decoder: TransducerDecoder) -> CTCHead:
    """Returns the CTC head over the same tokens as the transducer."""
    return CTCHead(decoder.vocab_size, decoder.dtype, decoder.languages, decoder.language)


def hybrid_task(model: HybridModel) -> RecognitionTask:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    vocab_size, weight = model.decoder.vocab_size, model.ctc_weight

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model), jnp.zeros((1, 1), jnp.int32), *any_language(model)))

    def loss(variables: Variables, batch: Utterances, key: Key) -> tuple[RowLosses, Variables]:
        key, loss_key = jax.random.split(key)
        inputs = batch.samples, batch.num_samples, batch.labels, batch.language
        (inputs, logits, num_frames), updates = train_apply(model, variables, key, *inputs)
        transducer = transducer_losses(model, inputs, num_frames, batch, loss_key)
        ctc = ctc_losses(logits, num_frames, batch, ctc_head(model.decoder))
        # A transcript with more labels than frames has no CTC path: only the transducer learns from it.
        infeasible = transducer == jnp.inf  # 0 * inf would be NaN with a weight of 1
        transducer, ctc = jnp.where(infeasible, 0, transducer), jnp.where(ctc == jnp.inf, 0, ctc)
        losses = jnp.where(infeasible, jnp.inf, (1 - weight) * transducer + weight * ctc)
        return label_losses(losses, batch, transducer_loss=transducer, ctc_loss=ctc), updates

    by_ctc, by_transducer = ctc_search(model, vocab_size=vocab_size, options=model.search), transducer_search(model)
    # The log-probabilities are those of the CTC head, whichever head's search is used.
    search = by_ctc if model.search.head == "ctc" else by_transducer._replace(log_probs=by_ctc.log_probs)
    search = prompted_search(model.language_prompt, search)
    return recognition_task(
        model,
        init=init,
        loss=loss,
        search=search,
        vocab_size=vocab_size,
        frames_needed=transducer_frames_needed(model),  # where CTC has no path, only the transducer learns
        advice=TRANSDUCER_ADVICE,
    )


HYBRID = Kind(
    HybridModel,
    hybrid_task,
    {**TRUNK, "decoder": DECODER},
    {**MASKS, **LANGUAGE_PROMPT, "loss": TransducerLoss, "search": HybridSearch},
    {**PRODUCTS, "ctc_weight": None},
)
