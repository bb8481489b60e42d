"""What all models have whose encoder's frames a CTC head scores: CTC models, hybrids, and some attention decoders."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.language_prompt import LanguagePrompt, prompted
from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.types import Sound


class CTCScored(AcousticModel):
    """An encoder with a CTC head.

    Attributes:
      language_prompt: projects the language of each row into the frames that the heads see; None: there is no prompt.
    """

    language_prompt: LanguagePrompt | None = None

    def ctc_logits(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        """Computes the head's unnormalised scores of the tokens and the blank, in the compute dtype."""
        raise NotImplementedError

    def log_probs(
        self, samples: Sound, num_samples: Int[Any, " B"], language: Int[Any, " B"] | None = None
    ) -> tuple[Float[Array, "B T W"], Int[Array, " B"]]:
        """Computes the head's log-probabilities of the tokens and the blank, in float32."""
        encoded, num_frames = self.encode(samples, num_samples)
        return self.frame_log_probs(prompted(self.language_prompt, encoded, language)), num_frames

    def frame_log_probs(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        """Computes the same from the frames that the head sees."""
        return jax.nn.log_softmax(self.ctc_logits(encoded).astype(jnp.float32))
