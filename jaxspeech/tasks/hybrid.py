"""Speech recognition with a transducer and a CTC head on one encoder (Noroozi et al., 2024).

loss = (1 - w) transducer + w CTC
"""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.search.ctc import ctc_greedy
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.acoustic import mutable_collections, training_streams
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.transducer import TransducerModel, TransducerSearch, transducer_losses, transducer_task
from jaxspeech.types import Batch, Variables

HEADS = ("transducer", "ctc")


@dataclass(frozen=True)
class HybridSearch(TransducerSearch):
    """Options of the search.

    Attributes:
      head: which of the two decides, "transducer" or "ctc".
    """

    head: Literal["transducer", "ctc"] = "transducer"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head not in HEADS:
            raise TypeError(f"head is {self.head!r}; it can be {' or '.join(HEADS)}")


class HybridModel(TransducerModel, kw_only=True):
    """A transducer whose encoder also has a CTC head; both have the same tokens.

    Attributes:
      ctc_weight: w, the share of the CTC loss.
    """

    ctc_weight: float = 0.3
    search: HybridSearch = HybridSearch()

    def setup(self) -> None:
        self.ctc_head = CTCHead(self.decoder.vocab_size, dtype=self.decoder.dtype)

    def outputs(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], labels: Int[Any, "B U"], *, train: bool = False
    ) -> tuple[Any, Float[Array, "B T W"], Int[Array, " B"]]:
        """The transducer's joint inputs, the CTC head's logits, and the encoder's frames."""
        encoded, num_frames = self.encode(samples, num_samples, train=train)
        inputs = self.decoder.joint_inputs(encoded, labels, train=train)
        return inputs, self.ctc_head(encoded), num_frames

    def log_probs(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T W"], Int[Array, " B"]]:
        """Log-probabilities of the tokens and the blank by the CTC head, in float32."""
        encoded, num_frames = self.encode(samples, num_samples)
        return self.frame_log_probs(encoded), num_frames

    def frame_log_probs(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        """The same, of encoder frames."""
        return jax.nn.log_softmax(self.ctc_head(encoded).astype(jnp.float32))

    __call__ = outputs


def hybrid_task(model: HybridModel) -> Task:
    """The pure functions over `model`."""
    vocab_size, weight = model.decoder.vocab_size, model.ctc_weight
    by_transducer = transducer_task(model)

    def loss(variables: Variables, batch: Batch, key: Any) -> tuple[Float[Array, " B"], Variables]:
        key, loss_key = jax.random.split(key)
        (inputs, logits, num_frames), updates = model.apply(
            variables,
            batch.samples,
            batch.num_samples,
            batch.labels,
            train=True,
            rngs=training_streams(key),
            mutable=mutable_collections(variables),
        )
        transducer = transducer_losses(model, inputs, num_frames, batch, loss_key)
        ctc = ctc_loss(logits, num_frames, batch.labels, batch.num_labels, blank_id=vocab_size)
        # A transcript with more labels than frames has no CTC path, and the transducer alone learns it.
        infeasible = transducer == jnp.inf  # with a weight of 1, 0 inf is no number
        losses = (1 - weight) * jnp.where(infeasible, 0, transducer) + weight * jnp.where(ctc == jnp.inf, 0, ctc)
        return jnp.where(infeasible, jnp.inf, losses), dict(updates)

    def log_probs(variables: Variables, batch: Batch) -> tuple[Float[Array, "B T W"], Int[Array, " B"]]:
        apply: Any = model.apply
        return apply(variables, batch.samples, batch.num_samples, method="log_probs")

    def frame_log_probs(variables: Variables, encoded: Float[Array, "B T D"]) -> Float[Array, "B T W"]:
        apply: Any = model.apply
        return apply(variables, encoded, method="frame_log_probs")

    def by_ctc(variables: Variables, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"]) -> Tokens:
        return ctc_greedy(frame_log_probs(variables, encoded), num_frames, blank_id=vocab_size)

    encode, decode = by_transducer.encode, by_ctc if model.search.head == "ctc" else by_transducer.decode

    def predict(variables: Variables, batch: Batch) -> Tokens:
        return decode(variables, *encode(variables, batch))

    return by_transducer._replace(
        loss=loss, decode=decode, predict=predict, log_probs=log_probs, frame_log_probs=frame_log_probs
    )
