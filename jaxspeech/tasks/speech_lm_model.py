"""A language model that hears: waveforms -> features -> encoder -> connector, in the places of a prompt's audios.

frames = connector(encoder(features(samples)))        for each audio of a row, in chunks if `chunk_seconds` is set
x      = splice(embed(ids), frames)                   frames stand where ids are AUDIO
h      = decoder(x);   p(next id) = softmax(head(h))

Source: SALM (Chen et al., 2024), in the form of NeMo's speechlm2/models/salm.py.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.causal_transformer import CausalTransformer
from jaxspeech.decoders.connector import ConformerConnector, MultiLayerProjection, Projection
from jaxspeech.errors import ConfigError
from jaxspeech.features.framing import hop_samples
from jaxspeech.masks import zero_padding
from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.tasks.answer_loss import AnswerLoss
from jaxspeech.tasks.audio_chunks import audio_chunks
from jaxspeech.tasks.branches import branch
from jaxspeech.tasks.splice import audio_places, splice
from jaxspeech.types import Variables


@dataclass(frozen=True)
class AnswerSearch:
    """Options of the search by which a trained model is scored.

    Attributes:
      end_ids: tokens that end an answer, and are not part of it.
      most_tokens: where an answer is cut.
      beam_size: hypotheses of the beam search; 1 for the greedy search.
      length_penalty: see `search.generate_beam`.
    """

    end_ids: tuple[int, ...] = ()
    most_tokens: int = 128
    beam_size: int = 1
    length_penalty: float = 1.0

    def __post_init__(self) -> None:
        for name in ("most_tokens", "beam_size"):
            if getattr(self, name) < 1:
                raise TypeError(f"{name} is {getattr(self, name)}; it must be at least 1")


class SpeechLanguageModel(AcousticModel, kw_only=True):
    """An encoder, a connector and a language model.

    Attributes:
      chunk_seconds: audio is encoded in chunks of this length (see `tasks.audio_chunks`); 0: as a whole.
      frozen_encoder: in training the encoder runs as in inference, and has no gradients. Features are masked all the
        same.
    """

    connector: Projection | ConformerConnector | MultiLayerProjection
    decoder: CausalTransformer
    loss: AnswerLoss = AnswerLoss()
    search: AnswerSearch = AnswerSearch()
    chunk_seconds: float = 0.0
    frozen_encoder: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chunk_seconds < 0:
            raise ConfigError(f"chunk_seconds is {self.chunk_seconds}: give seconds of a chunk, or 0 for none")

    def perceive_features(
        self, features: Float[Any, "R T F"], num_frames: Int[Any, " R"], *, train: bool = False
    ) -> tuple[Float[Array, "R T_out D"], Int[Array, " R"]]:
        """Computes frames of the language model's width from features."""
        learns = train and not self.frozen_encoder
        wanted = self.connector.outputs_of
        encoded, num_frames, outputs = self.encode_features_layers(features, num_frames, wanted, train=learns)
        inputs = encoded, [output.frames for output in outputs]
        if self.frozen_encoder:
            inputs = jax.lax.stop_gradient(inputs)
        encoded, outputs = inputs
        return self.connector(encoded, num_frames, outputs, width=self.decoder.width, train=train)

    def perceive(
        self, samples: Float[Any, "B A S"], num_samples: Int[Any, "B A"], *, train: bool = False
    ) -> tuple[Float[Array, "B M T D"], Int[Array, "B M"]]:
        """Computes the frames of each row's audios, and how many are real.

        M is A or, if audio is encoded in chunks, the number of chunks of A audios. An audio without samples has no
        frames.
        """
        samples, num_samples = jnp.asarray(samples), jnp.asarray(num_samples)
        b, audios, size = samples.shape
        if not audios * size:
            return jnp.zeros((b, 0, 0, self.decoder.width)), jnp.zeros((b, 0), jnp.int32)
        rows, counts = samples.reshape(b * audios, size), num_samples.reshape(-1)
        rate = self.frontend.sample_rate
        # Two feature frames: one alone has no standard deviation to be normalised by.
        least = 2 * hop_samples(sample_rate=rate, hop_seconds=self.frontend.hop_seconds)
        chunk = max(least, round(self.chunk_seconds * rate))
        if self.chunk_seconds and size > chunk:
            rows, counts = audio_chunks(rows, counts, size=chunk, least=least)
            rows, counts = rows.reshape(-1, rows.shape[-1]), counts.reshape(-1)
        features = self.features(rows, counts, train=train)
        frames, num_frames = self.perceive_features(*features, train=train)
        num_frames = jnp.where(counts > 0, num_frames, 0)
        frames = zero_padding(frames, num_frames)
        return frames.reshape(b, -1, *frames.shape[1:]), num_frames.reshape(b, -1)

    def spliced(
        self,
        ids: Int[Any, "B L"],
        num_ids: Int[Any, " B"],
        frames: Float[Array, "B M T D"],
        num_frames: Int[Array, "B M"],
    ) -> Float[Array, "B L D"]:
        """Embeds tokens, and puts the frames of audio in their places."""
        ids, num_ids = jnp.asarray(ids), jnp.asarray(num_ids)
        places = audio_places(ids, num_ids)
        real = ~places & (jnp.arange(ids.shape[1]) < num_ids[:, None])
        return splice(self.decoder.embed(jnp.where(real, ids, 0)), places, frames, num_frames)

    def inputs(
        self,
        samples: Float[Any, "B A S"],
        num_samples: Int[Any, "B A"],
        ids: Int[Any, "B L"],
        num_ids: Int[Any, " B"],
        *,
        train: bool = False,
    ) -> Float[Array, "B L D"]:
        """Computes what the language model reads: embeddings of tokens, and frames at the places of audio."""
        return self.spliced(ids, num_ids, *self.perceive(samples, num_samples, train=train))

    def states(
        self,
        samples: Float[Any, "B A S"],
        num_samples: Int[Any, "B A"],
        ids: Int[Any, "B L"],
        num_ids: Int[Any, " B"],
        *,
        train: bool = False,
    ) -> Float[Array, "B L D"]:
        """Computes the language model's states after each place of the sequences."""
        x = self.inputs(samples, num_samples, ids, num_ids, train=train)
        return self.decoder(x, jnp.asarray(num_ids), train=train)

    def logits(
        self,
        samples: Float[Any, "B A S"],
        num_samples: Int[Any, "B A"],
        ids: Int[Any, "B L"],
        num_ids: Int[Any, " B"],
        *,
        train: bool = False,
    ) -> Float[Array, "B L V"]:
        """Computes the scores of what follows each place of the sequences."""
        return self.decoder.logits(self.states(samples, num_samples, ids, num_ids, train=train))

    __call__ = logits


def decoder_apply(model: SpeechLanguageModel, variables: Variables) -> Any:
    """Returns `apply` of the language model alone, with the model's variables."""
    return partial(model.decoder.apply, branch(variables, "decoder"))
