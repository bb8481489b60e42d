"""What all models have whose encoder's frames a CTC head scores: CTC models, hybrids, and some attention decoders."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.types import Sound


class CTCScored(AcousticModel):
    """An encoder with a CTC head."""

    def ctc_logits(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        """Computes the head's unnormalised scores of the tokens and the blank, in the compute dtype."""
        raise NotImplementedError

    def log_probs(self, samples: Sound, num_samples: Int[Any, " B"]) -> tuple[Float[Array, "B T W"], Int[Array, " B"]]:
        """Computes the head's log-probabilities of the tokens and the blank, in float32."""
        encoded, num_frames = self.encode(samples, num_samples)
        return self.frame_log_probs(encoded), num_frames

    def frame_log_probs(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        """Computes the same from encoder frames."""
        return jax.nn.log_softmax(self.ctc_logits(encoded).astype(jnp.float32))
