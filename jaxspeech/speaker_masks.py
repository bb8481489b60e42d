"""Says whom each row of a batch follows: masks of one speaker of a recording, and of all others.

A recording in which S speakers speak gives S rows, with the same samples and different masks.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class SpeakerMasks(NamedTuple):
    """The activity of the speaker whom each row follows, and of all others, in each frame, from 0 to 1.

    Attributes:
      target: of the speaker.
      background: of the others.
      num_frames: real frames of each row. The masks then end where the encoder's frames end, as in NeMo; None: they
        begin where those begin.
    """

    target: Float[Any, "B M"]
    background: Float[Any, "B M"]
    num_frames: Int[Any, " B"] | None = None

    def aligned(self, num_frames: Int[Any, " B"], size: int) -> tuple[Float[Array, "B T 1"], Float[Array, "B T 1"]]:
        """Brings the masks to the frames of an encoder. In frames that they lack, the speaker is alone.

        Args:
          num_frames: real frames of each row of the encoder.
          size: T, with padding.
        """
        place, count = jnp.arange(size)[None], self.target.shape[1]
        if self.num_frames is not None:
            place, count = place - (num_frames - self.num_frames)[:, None], self.num_frames[:, None]
        known = (place >= 0) & (place < count)
        place = jnp.broadcast_to(jnp.clip(place, 0, self.target.shape[1] - 1), (len(num_frames), size))

        def bring(mask: Float[Any, "B M"], otherwise: float) -> Float[Array, "B T 1"]:
            return jnp.where(known, jnp.take_along_axis(jnp.asarray(mask), place, 1), otherwise)[..., None]

        return bring(self.target, 1.0), bring(self.background, 0.0)


def one_speaker(batch_size: Any, num_frames: int = 1) -> SpeakerMasks:
    """Returns the masks of recordings of one speaker; any number of frames will do for recordings of any length."""
    shape = (batch_size, num_frames)
    return SpeakerMasks(jnp.ones(shape), jnp.zeros(shape))
