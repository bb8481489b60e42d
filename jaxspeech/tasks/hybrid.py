"""Speech recognition with a transducer and a CTC head on a shared encoder (Noroozi et al., 2024).

loss = (1 - w) transducer + w CTC

The CTC loss can have further terms, and the loss those of middle layers: see `tasks.ctc_trained`.
"""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.decoders.transducer import JointInputs, TransducerDecoder
from jaxspeech.tasks.acoustic import any_language, shortest_audio
from jaxspeech.tasks.ctc_search import CTCSearch, ctc_search
from jaxspeech.tasks.ctc_trained import (
    Consistency,
    CTCTrained,
    Encodings,
    InterCTC,
    ctc_terms,
    in_views,
    over_views,
    with_inner,
)
from jaxspeech.tasks.parts import LANGUAGE_PROMPT, MASKS, PRODUCTS, TRUNK, Kind
from jaxspeech.tasks.prompted import prompted_search
from jaxspeech.tasks.recognition import (
    RecognitionTask,
    Utterances,
    label_losses,
    recognition_task,
)
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.tasks.transducer import (
    DECODER,
    TRANSDUCER_ADVICE,
    TransducerSearch,
    transducer_frames_needed,
    transducer_search,
)
from jaxspeech.tasks.transducer_loss import TransducerLoss, check_loss, transducer_losses
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


class HybridModel(CTCTrained, kw_only=True):
    """An encoder with both a transducer and a CTC head, over the same tokens.

    Attributes:
      ctc_weight: w, the weight of the CTC loss.
    """

    decoder: TransducerDecoder
    ctc_weight: float = 0.3
    loss: TransducerLoss = TransducerLoss()
    search: HybridSearch = HybridSearch()

    def setup(self) -> None:
        super().setup()
        self.ctc_head = ctc_head(self.decoder)

    def outputs(
        self,
        samples: Sound,
        num_samples: Int[Any, " B"],
        labels: Int[Any, "B U"],
        language: Int[Any, " B"] | None = None,
        *,
        train: bool = False,
    ) -> tuple[JointInputs, Encodings]:
        """Computes the transducer's joint inputs, the encoder's frames and their logits."""
        encodings = self.encodings(samples, num_samples, language, train=train)
        labels = jnp.repeat(labels, encodings.encoded.shape[0] // labels.shape[0], 0)
        return self.decoder.joint_inputs(encodings.encoded, labels, train=train), encodings

    def ctc_logits(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        return self.ctc_head(encoded)

    __call__ = outputs


def ctc_head(decoder: TransducerDecoder) -> CTCHead:
    """Returns the CTC head over the same tokens as the transducer."""
    return CTCHead(decoder.vocab_size, decoder.dtype, decoder.languages, decoder.language)


def hybrid_task(model: HybridModel) -> RecognitionTask:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    check_loss(model.decoder, model.loss)
    vocab_size, weight = model.decoder.vocab_size, model.ctc_weight

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model), jnp.zeros((1, 1), jnp.int32), *any_language(model)))

    def loss(variables: Variables, batch: Utterances, key: Key) -> tuple[RowLosses, Variables]:
        key, loss_key = jax.random.split(key)
        inputs = batch.samples, batch.num_samples, batch.labels, batch.language
        (inputs, encodings), updates = train_apply(model, variables, key, *inputs)
        rows = in_views(batch, encodings)
        transducer = over_views(transducer_losses(model, inputs, encodings.num_frames, rows, loss_key), batch)
        terms = ctc_terms(model, encodings, batch, ctc_head(model.decoder))
        # A transcript with more labels than frames has no CTC path: only the transducer learns from it.
        infeasible = transducer == jnp.inf  # 0 * inf would be NaN with a weight of 1
        transducer = jnp.where(infeasible, 0, transducer)
        ctc = jnp.where(terms.regularized == jnp.inf, 0, terms.regularized)
        losses = with_inner((1 - weight) * transducer + weight * ctc, terms.inner, model.interctc)
        logged = {"transducer_loss": transducer, "ctc_loss": ctc} | terms.logged
        return label_losses(jnp.where(infeasible, jnp.inf, losses), batch, **logged), updates

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
    {
        **MASKS,
        **LANGUAGE_PROMPT,
        "loss": TransducerLoss,
        "search": HybridSearch,
        "interctc": InterCTC,
        "consistency": Consistency,
    },
    {**PRODUCTS, "ctc_weight": None},
)
