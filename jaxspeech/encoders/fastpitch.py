"""FastPitch with a learnt aligner (Łańcucki, 2021; Badlani et al., 2022): symbols -> prosody -> mel frames.

e = symbols[text] (+ speaker),  h = stack(e)
log(1 + d) = predictor(h),  p = predictor(h),  h = h + conv(p),  [g = predictor(h),  h = h + conv(g)]
mel = W stack(h[n] repeated d[n] times) + b

In training d, p and g are those of the recording: an aligner finds the frames of each symbol, over which pitch and
energy are averaged. All of a row's padding counts as zero, so a row is the same in every batch.

Source: NeMo 3.0.0, tts/modules/fastpitch.py and tts/models/fastpitch.py.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.speakers import Speakers
from jaxspeech.encoders.taught import Spelt, Taught
from jaxspeech.errors import ConfigError
from jaxspeech.masks import length_mask, zero_padding
from jaxspeech.nn.conditioning import ConditionalInput, Conditioning
from jaxspeech.nn.expand import durations_from_log, expand, token_means
from jaxspeech.nn.frame_convolution import FrameConv1D
from jaxspeech.nn.initializers import dense
from jaxspeech.types import Size


class FastPitch(nn.Module):
    """The text-to-mel model.

    Attributes:
      frontend: computes mel frames of recordings.
      encoder, decoder: stacks over symbols and over frames, equally wide.
      duration, pitch: predictors.
      aligner: see `nn.aligner`.
      vocab_size: number of symbols.
      energy: a third predictor; None for none.
      speakers: None for one voice.
      style: encodes a recording's manner of speaking, which is added to the speaker's vector.
      pitch_kernel, energy_kernel: of the convolutions that embed them, in symbols, odd.
      least_duration, most_duration: limits of predicted durations, in frames.
      log_energy: whether energies are compressed, as log(1 + energy).
      pitch_mean, pitch_std: of the voiced frames of the training data, in Hz, or None if they are not known; the model
        computes with pitches from which the mean is subtracted and that are divided by the deviation.
    """

    frontend: Any
    encoder: Any
    decoder: Any
    duration: Any
    pitch: Any
    aligner: Any
    vocab_size: int = 0
    energy: Any = None
    speakers: Speakers | None = None
    style: Any = None
    pitch_kernel: int = 3
    energy_kernel: int = 3
    least_duration: int = 0
    most_duration: int = 75
    log_energy: bool = True
    pitch_mean: float | None = None
    pitch_std: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.vocab_size < 1:
            raise ConfigError(f"model.vocab_size is {self.vocab_size}: the number of symbols, at least 1")
        if self.encoder.width != self.decoder.width:
            raise ConfigError(f"model.encoder.width {self.encoder.width} is not that of decoder, {self.decoder.width}")
        if not 0 <= self.least_duration <= self.most_duration:
            raise ConfigError(f"model.least_duration is {self.least_duration}: from 0 to most_duration")
        if self.style is not None:
            if self.speakers is None:
                raise ConfigError("model.style needs model.speakers, which says what depends on it: {number: 0}")
            if self.style.width != self.encoder.width:
                raise ConfigError(f"model.style.width {self.style.width} is not that of encoder, {self.encoder.width}")
        elif self.speakers is not None and not self.speakers.number:
            raise ConfigError("model.speakers.number is missing: without model.style it must be at least 1")

    def setup(self) -> None:
        width = self.encoder.width
        # Close to the norm of the positions' code, which is added; larger embeddings learn slowly.
        self.symbols = nn.Embed(self.vocab_size, width, embedding_init=nn.initializers.normal(1.0))
        if self.speakers is not None and self.speakers.number:
            self.table = nn.Embed(self.speakers.number, width, embedding_init=nn.initializers.normal(1.0))
        self.aligner_speaker = ConditionalInput()
        self.pitch_embedding = FrameConv1D(width, self.pitch_kernel)
        if self.energy is not None:
            self.energy_embedding = FrameConv1D(width, self.energy_kernel)
        self.out = dense(self.frontend.num_features, width, name="out", dtype=jnp.float32)

    def features(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
        """Computes mel frames, no more than the longest row can have: T = S // hop."""
        mel, num_frames = self.frontend(samples, num_samples, train=train)
        return mel[:, : samples.shape[1] // self.frontend.hop_and_fft[0]], num_frames

    def voice(
        self,
        speaker: Int[Any, " B"],
        mel: Float[Any, "B T F"] | None = None,
        num_frames: Int[Any, " B"] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "B D"] | None:
        """Returns the vectors of speakers, with the style of recordings if they are given; None for a single voice."""
        if self.speakers is None:
            return None
        vector = None
        if self.speakers.number:
            vector = self.table(jnp.clip(jnp.asarray(speaker), 0, self.speakers.number - 1))
        if self.style is not None and mel is not None:
            style = self.style(mel, num_frames, train=train)
            vector = style if vector is None else vector + style
        if vector is None:
            raise ConfigError("this model takes its voice from a recording: give one")
        return vector

    def spell(
        self,
        text: Int[Any, "B N"],
        num_symbols: Int[Any, " B"],
        voice: Float[Array, "B D"] | None,
        *,
        pitch: Float[Any, "B N"] | None = None,
        energy: Float[Any, "B N"] | None = None,
        pitch_shift: Any = 0.0,
        train: bool = False,
    ) -> Spelt:
        """Computes what is known of each symbol.

        Args:
          text, num_symbols: ids; padding may hold anything.
          voice: see `voice`.
          pitch, energy: those to speak with, instead of the predicted ones.
          pitch_shift: added to the predicted pitch, in standard deviations: a number, or [B], or [B N].
          train: whether to drop out.
        """
        num_symbols = jnp.asarray(num_symbols)
        embedded = self._embedded(text, num_symbols)
        hidden = self.encoder(embedded, num_symbols, self._given("encoder", voice), train=train)
        hidden = hidden.astype(jnp.float32)
        log_durations = self.duration(hidden, num_symbols, self._given("duration", voice), train=train)
        predicted = self.pitch(hidden, num_symbols, self._given("pitch", voice), train=train)
        shift = jnp.asarray(pitch_shift, jnp.float32)
        shifted = zero_padding(predicted + (shift[:, None] if shift.ndim == 1 else shift), num_symbols)
        used = shifted if pitch is None else jnp.asarray(pitch)
        hidden = hidden + self.pitch_embedding(used[:, :, None], num_symbols)
        level = None
        if self.energy is not None:
            level = self.energy(hidden, num_symbols, self._given("energy", voice), train=train)
            used = level if energy is None else jnp.asarray(energy)
            hidden = hidden + self.energy_embedding(used[:, :, None], num_symbols)
        return Spelt(zero_padding(hidden, num_symbols), log_durations, shifted, level)

    def frames_of(
        self, log_durations: Float[Array, "B N"], num_symbols: Int[Any, " B"], pace: Any
    ) -> Int[Array, "B N"]:
        """Converts predicted durations to numbers of frames; `pace` is a number or [B], above 1 is faster."""
        limits: Any = {"least": float(self.least_duration), "most": float(self.most_duration)}
        return durations_from_log(log_durations, jnp.asarray(num_symbols), pace=pace, **limits)

    def decode(
        self,
        hidden: Float[Array, "B N D"],
        durations: Int[Array, "B N"],
        voice: Float[Array, "B D"] | None,
        size: Size,
        *,
        train: bool = False,
    ) -> Float[Array, "B T F"]:
        """Computes `size` mel frames of each row, zero beyond the sum of its durations."""
        x, num_frames = expand(hidden, durations, size)
        x = self.decoder(x, num_frames, self._given("decoder", voice), train=train)
        return zero_padding(self.out(x.astype(jnp.float32)), num_frames)

    def teach(
        self,
        text: Int[Any, "B N"],
        num_symbols: Int[Any, " B"],
        mel: Float[Any, "B T F"],
        num_frames: Int[Any, " B"],
        pitch: Float[Any, "B T_pitch"],
        energy: Float[Any, "B T_energy"] | None,
        speaker: Int[Any, " B"],
        prior: Float[Any, "B T N"],
        *,
        search: Callable[..., Any],
        train: bool = False,
    ) -> Taught:
        """Speaks the texts of recordings with their durations, pitch and energy.

        Args:
          text, num_symbols: ids; padding may hold anything, as in all other arrays.
          mel, num_frames: of the recordings.
          pitch: of each frame, normalised; 0 where there is no voice.
          energy: of each frame, not compressed; needed by a model that predicts it.
          speaker: of each recording.
          prior: of the alignment.
          search: (log-probabilities, num_frames, num_symbols) -> the best path, see `search.monotonic`.
          train: whether to drop out.
        """
        text, num_symbols, mel, num_frames = map(jnp.asarray, (text, num_symbols, mel, num_frames))
        voice = self.voice(speaker, mel, num_frames, train=train)
        embedded = self._embedded(text, num_symbols)
        embedded = self.aligner_speaker(embedded, self._given("aligner", voice))
        alignment = self.aligner(mel, num_frames, embedded, num_symbols, jnp.asarray(prior))
        path, durations = search(alignment.log_probs, num_frames, num_symbols)
        pitch_means = token_means(as_long(pitch, mel.shape[1]), durations)
        energy_means = None
        if self.energy is not None and energy is not None:
            energy_means = token_means(as_long(energy, mel.shape[1]), durations)
            energy_means = jnp.log1p(energy_means) if self.log_energy else energy_means
        spelt = self.spell(text, num_symbols, voice, pitch=pitch_means, energy=energy_means, train=train)
        found = self.decode(spelt.hidden, durations, voice, mel.shape[1], train=train)
        return Taught(found, spelt, durations, pitch_means, energy_means, path, alignment)

    def _embedded(self, text: Int[Any, "B N"], num_symbols: Int[Array, " B"]) -> Float[Array, "B N D"]:
        text = jnp.asarray(text)
        return self.symbols(jnp.where(length_mask(num_symbols, text.shape[1]), text, 0))

    def _given(self, module: str, voice: Float[Array, "B D"] | None) -> Conditioning | None:
        ways = () if self.speakers is None else getattr(self.speakers, module)
        return None if voice is None or not ways else Conditioning(voice, ways)


def as_long(values: Float[Any, "B T_in"], size: Size) -> Float[Array, "B T"]:
    """Cuts the frames after the first `size`, or adds zeros."""
    values = jnp.asarray(values, jnp.float32)
    missing = size - values.shape[1] if isinstance(size, int) else 0
    return jnp.pad(values, ((0, 0), (0, max(missing, 0))))[:, :size]
