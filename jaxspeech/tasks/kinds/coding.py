"""A neural codec: audio to ids and back."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Int

from jaxspeech.tasks.kinds.arrays import Lengths, Samples
from jaxspeech.types import Variables


class Coding(NamedTuple):
    """Audio to the ids of a codec, and back.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_samples: samples of a frame.
      num_codebooks: C, the ids of a frame.
      codebook_size: number of different ids.
      encode: (variables, samples [B S], num_samples [B]) -> (ids [B C T], num_frames [B]); 0 after the last frame of a
        row, of which ceil(n / frame_samples) come from n samples.
      decode: (variables, ids [B C T], num_frames [B]) -> (samples [B S], num_samples [B]), of whole frames.
      causal: whether no sample depends on later frames, so that ids can be decoded part by part.
    """

    sample_rate: int
    frame_samples: int
    num_codebooks: int
    codebook_size: int
    encode: Callable[[Variables, Samples, Lengths], tuple[Int[Array, "B C T"], Lengths]]
    decode: Callable[[Variables, Int[Any, "B C T"], Lengths], tuple[Samples, Lengths]]
    causal: bool
