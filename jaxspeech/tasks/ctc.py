"""Speech recognition with CTC: waveform -> features -> SpecAugment -> encoder -> head -> loss or greedy search."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.search.ctc import ctc_greedy
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.acoustic import (
    AcousticModel,
    encoder_frames,
    mutable_collections,
    shortest_audio,
    training_streams,
)
from jaxspeech.tasks.task import Task
from jaxspeech.types import Batch, Variables


class CTCModel(AcousticModel, kw_only=True):
    """An encoder with a CTC head."""

    decoder: CTCHead

    def logits(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T W"], Int[Array, " B"]]:
        """Unnormalised scores of the tokens and the blank, in the compute dtype."""
        encoded, num_frames = self.encode(samples, num_samples, train=train)
        return self.decoder(encoded), num_frames

    def log_probs(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T W"], Int[Array, " B"]]:
        """Log-probabilities of the tokens and the blank, in float32."""
        encoded, num_frames = self.encode(samples, num_samples)
        return self.frame_log_probs(encoded), num_frames

    def frame_log_probs(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        """The same, of encoder frames."""
        return jax.nn.log_softmax(self.decoder(encoded).astype(jnp.float32))

    __call__ = logits


def ctc_task(model: CTCModel) -> Task:
    """The pure functions over `model`."""
    vocab_size = model.decoder.vocab_size

    def init(key: Any) -> Variables:
        return dict(model.init(key, *shortest_audio(model)))

    def loss(variables: Variables, batch: Batch, key: Any) -> tuple[Float[Array, " B"], Variables]:
        (logits, num_frames), updates = model.apply(
            variables,
            batch.samples,
            batch.num_samples,
            train=True,
            rngs=training_streams(key),
            mutable=mutable_collections(variables),
        )
        return ctc_loss(logits, num_frames, batch.labels, batch.num_labels, blank_id=vocab_size), dict(updates)

    def log_probs(variables: Variables, batch: Batch) -> tuple[Float[Array, "B T W"], Int[Array, " B"]]:
        apply: Any = model.apply
        return apply(variables, batch.samples, batch.num_samples, method="log_probs")

    def frame_log_probs(variables: Variables, encoded: Float[Array, "B T D"]) -> Float[Array, "B T W"]:
        apply: Any = model.apply
        return apply(variables, encoded, method="frame_log_probs")

    encode = encoder_frames(model)

    def decode(variables: Variables, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"]) -> Tokens:
        return ctc_greedy(frame_log_probs(variables, encoded), num_frames, blank_id=vocab_size)

    def predict(variables: Variables, batch: Batch) -> Tokens:
        return decode(variables, *encode(variables, batch))

    return Task(
        model=model,
        init=init,
        loss=loss,
        encode=encode,
        decode=decode,
        predict=predict,
        log_probs=log_probs,
        frame_log_probs=frame_log_probs,
        sample_rate=model.frontend.sample_rate,
        frame_seconds=model.frame_seconds,
        vocab_size=vocab_size,
    )
