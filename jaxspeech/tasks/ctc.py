"""Speech recognition with CTC: waveform -> features -> SpecAugment -> encoder -> head -> loss or greedy search."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.features.mfcc import MFCC
from jaxspeech.features.specaugment import SpecAugment
from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.search.ctc import ctc_greedy
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.task import Task
from jaxspeech.types import Batch, Variables

# The random streams that training draws from.
STREAMS = ("dither", "specaugment", "dropout", "stochastic_depth")


class CTCModel(nn.Module):
    """The parts in the order in which data flows; each method starts the flow at another place or ends it earlier.

    All take padded rows with their lengths, and return such.
    """

    frontend: MelSpectrogram | MFCC
    encoder: FastConformer
    decoder: CTCHead
    spec_augment: SpecAugment | None = None

    def features(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
        """Log-mel or MFCC frames of the waveforms, augmented when training."""
        features, num_frames = self.frontend(samples, num_samples, train=train)
        if train and self.spec_augment is not None:
            features = self.spec_augment(features, num_frames)
        return features, num_frames

    def encode_features(
        self, features: Float[Any, "B T F"], num_frames: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
        """Encoder frames of features."""
        return self.encoder(jnp.asarray(features), jnp.asarray(num_frames), train=train)

    def encode(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T D"], Int[Array, " B"]]:
        """Encoder frames of waveforms."""
        return self.encode_features(*self.features(samples, num_samples, train=train), train=train)

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
        logits, num_frames = self.logits(samples, num_samples)
        return jax.nn.log_softmax(logits.astype(jnp.float32)), num_frames

    __call__ = logits


def ctc_task(model: CTCModel) -> Task:
    """The pure functions over `model`."""
    vocab_size = model.decoder.vocab_size

    def init(key: Any) -> Variables:
        # Parameters do not depend on the length: the shortest audio that reaches every layer is enough.
        samples = jnp.zeros((1, model.frontend.sample_rate // 2))
        return dict(model.init(key, samples, jnp.array([samples.shape[1]])))

    def loss(variables: Variables, batch: Batch, key: Any) -> tuple[Float[Array, " B"], Variables]:
        rngs: dict[str, Any] = dict(zip(STREAMS, jax.random.split(key, len(STREAMS)), strict=True))
        mutable = [name for name in variables if name != "params"]
        (logits, num_frames), updates = model.apply(
            variables, batch.samples, batch.num_samples, train=True, rngs=rngs, mutable=mutable
        )
        return ctc_loss(logits, num_frames, batch.labels, batch.num_labels, blank_id=vocab_size), dict(updates)

    def log_probs(variables: Variables, batch: Batch) -> tuple[Float[Array, "B T W"], Int[Array, " B"]]:
        apply: Any = model.apply
        return apply(variables, batch.samples, batch.num_samples, method="log_probs")

    def predict(variables: Variables, batch: Batch) -> Tokens:
        return ctc_greedy(*log_probs(variables, batch), blank_id=vocab_size)

    return Task(
        model=model,
        init=init,
        loss=loss,
        predict=predict,
        log_probs=log_probs,
        sample_rate=model.frontend.sample_rate,
        frame_seconds=model.frontend.hop_seconds * model.encoder.total_factor,
        vocab_size=vocab_size,
    )
