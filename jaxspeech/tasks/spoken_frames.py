"""Mel frames of lines of text and of recordings, side by side in a batch: generated, or computed, not normalised."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.masks import length_mask
from jaxspeech.row_parallel import kernels_over_rows, rows_split
from jaxspeech.tasks.kinds import Speaking, Synthesis
from jaxspeech.types import Key, Size, Variables

# Groups of rows that are spoken one after another on a CPU: one without text takes no time.
GROUPS = 4


class Lines(NamedTuple):
    """Padded rows of text to be spoken.

    Attributes:
      symbols: of the generator; a row without any is not spoken.
      num_symbols: real symbols of each row.
      speaker: of the generator.
      pace: 2 is twice as fast.
    """

    symbols: Int[Any, "B N"]
    num_symbols: Int[Any, " B"]
    speaker: Int[Any, " B"]
    pace: Float[Any, " B"]


def recorded(
    frontend: MelSpectrogram, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], key: Key | None
) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
    """Computes the frames of recordings, not normalised; with a key, with the noise of training."""
    raw = frontend.clone(normalize="none", pad_to=0, pad_value=0.0, parent=None)
    rngs: Any = {"dither": key} if key is not None else {}
    return raw.apply({}, samples, num_samples, train=key is not None, rngs=rngs)  # pyright: ignore[reportReturnType]


def generated(
    synthesis: Synthesis, variables: Variables, lines: Lines, num_frames: Size
) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
    """Generates mel frames, T of each row, zero beyond its own; and their numbers."""
    shift = jnp.zeros_like(lines.pace)
    timing = synthesis.durations(variables, lines.symbols, lines.num_symbols, lines.speaker, lines.pace, shift)
    timing = timing._replace(durations=fitted(timing.durations, num_frames))
    mel, count = synthesis.frames(variables, timing, num_frames).astype(jnp.float32), timing.durations.sum(1)
    return jnp.where(length_mask(count, num_frames)[:, :, None], mel, 0.0), count


def sounded(
    speaking: Speaking, frontend: MelSpectrogram, variables: Variables, lines: Lines, num_frames: Size
) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
    """Speaks with a voice, and computes the frontend's frames of the sound, as of a recording."""
    hop, _ = frontend.hop_and_fft
    mel, count = generated(speaking.synthesis, variables, lines, -(-num_frames * hop // speaking.synthesis.hop))
    samples = speaking.vocoding.vocode(variables, mel, count)
    frames, count = recorded(frontend, samples, count * speaking.synthesis.hop, None)
    return frames[:, :num_frames], jnp.minimum(count, num_frames)


def speak_lines(
    generator: Synthesis | Speaking, frontend: MelSpectrogram, variables: Variables, lines: Lines, num_frames: Size
) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
    """Makes the mel frames of lines of text.

    Args:
      generator: a text-to-mel model with the frontend's frames, or a voice.
      frontend: of the recogniser.
      variables: of the generator.
      lines: the rows; those without symbols give no frames.
      num_frames: T. A line that would take more is spoken just as fast as fits.

    Returns:
      Frames without a gradient, zero beyond those of each row; and their numbers.
    """

    def speak(variables: Variables, lines: Lines) -> tuple[Array, Array]:
        if isinstance(generator, Speaking):
            return sounded(generator, frontend, variables, lines, num_frames)
        return generated(generator, variables, lines, num_frames)

    def silence(variables: Variables, lines: Lines) -> tuple[Array, Array]:
        del variables
        rows, bands = lines.num_symbols.shape[0], frontend.num_mels
        return jnp.zeros((rows, num_frames, bands)), jnp.zeros(rows, jnp.int32)

    def in_groups(variables: Variables, lines: Lines) -> tuple[Array, Array]:
        groups = math.gcd(lines.num_symbols.shape[0], GROUPS)
        split = jax.tree.map(lambda x: x.reshape(groups, -1, *x.shape[1:]), lines)

        def of_group(group: Lines) -> tuple[Array, Array]:
            return jax.lax.cond((group.num_symbols > 0).any(), speak, silence, variables, group)

        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), jax.lax.map(of_group, split))

    def of_device(first: Any, variables: Variables, lines: Lines) -> tuple[Array, Array]:
        del first
        return jax.lax.platform_dependent(variables, lines, cpu=in_groups, default=speak)

    if rows_split(lines.num_symbols.shape[0]):
        mel, count = kernels_over_rows(of_device, variables, lines)
    else:
        mel, count = speak(variables, lines)
    spoken = lines.num_symbols > 0
    count = jnp.where(spoken, count, 0)
    return jax.lax.stop_gradient(jnp.where(spoken[:, None, None], mel, 0.0)), count


def fitted(durations: Int[Array, "B N"], num_frames: Size) -> Int[Array, "B N"]:
    """Shortens the durations of rows that have more than T frames in all, evenly, to exactly T."""
    ends = jnp.cumsum(durations.astype(jnp.int32), 1)
    total = ends[:, -1:]
    # In two parts, which cannot overflow: ends * T / total.
    shortened = ends // total.clip(1) * num_frames + ends % total.clip(1) * num_frames // total.clip(1)
    ends = jnp.where(total > num_frames, shortened, ends)
    return jnp.diff(ends, axis=1, prepend=0)
