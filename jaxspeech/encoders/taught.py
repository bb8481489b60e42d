"""What a text-to-mel model makes of texts, and of texts whose recordings it knows."""

from typing import NamedTuple

from jaxtyping import Array, Float, Int

from jaxspeech.nn.aligner import Alignment


class Spelt(NamedTuple):
    """What is known of each symbol.

    Attributes:
      hidden: all that the frames are made of.
      log_durations: log(1 + frames).
      pitch: in standard deviations from the mean; 0 is the mean, or unvoiced.
      energy: log(1 + energy), or energy without `log_energy`; None if the model has none.
    """

    hidden: Float[Array, "B N D"]
    log_durations: Float[Array, "B N"]
    pitch: Float[Array, "B N"]
    energy: Float[Array, "B N"] | None


class Taught(NamedTuple):
    """The model's outputs for recordings with known texts.

    Attributes:
      mel: predicted frames, with the durations, pitch and energy of the recording.
      predicted: of each symbol.
      durations, pitch, energy: of each symbol in the recording.
      path: the symbol of each frame.
      alignment: soft, by the aligner.
    """

    mel: Float[Array, "B T F"]
    predicted: Spelt
    durations: Int[Array, "B N"]
    pitch: Float[Array, "B N"]
    energy: Float[Array, "B N"] | None
    path: Int[Array, "B T"]
    alignment: Alignment
