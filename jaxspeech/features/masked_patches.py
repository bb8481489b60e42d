"""Masks patches of frames, and bands, for an encoder that learns what is there: NeMo's MaskedPatchAugmentation.

number = ceil(patches n / patch_frames) for a share of an utterance's n frames, at most the n // patch_frames it has

Patches start at multiples of their length, and are chosen without replacement. NeMo takes the number of the shortest
utterance of a batch for all of them; here each has its own.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.features.patches import hidden_patches
from jaxspeech.features.specaugment import random_spans
from jaxspeech.masks import length_mask
from jaxspeech.types import Key


@dataclass(frozen=True)
class MaskedPatches:
    """What is masked.

    Attributes:
      patch_frames: feature frames of a patch.
      patches: masked patches; a number below 1 is a share of the utterance.
      freq_masks, freq_width: number of masked bands, and the exclusive limit of their width, in features.

    Raises:
      ConfigError: a field is negative.
    """

    patch_frames: int = 48
    patches: int | float = 0.5
    freq_masks: int = 0
    freq_width: int = 0

    def __post_init__(self) -> None:
        if self.patch_frames < 1 or min(self.patches, self.freq_masks, self.freq_width) < 0:
            raise ConfigError("model.masking: patch_frames must be at least 1, and nothing below 0")

    def number(self, num_frames: int) -> int:
        """Returns how many patches of an utterance are masked."""
        share = -(-int(num_frames * self.patches) // self.patch_frames)
        return min(share if self.patches < 1 else int(self.patches), num_frames // self.patch_frames)

    def __call__(
        self, features: Float[Any, "B T F"], num_frames: Int[Any, " B"], keys: Key
    ) -> tuple[Float[Array, "B T F"], Bool[Array, "B T"]]:
        """Masks utterances with zeros.

        Args:
          features, num_frames: of the utterances.
          keys: a random key for each.

        Returns:
          (masked features, which frames are in a masked patch).
        """
        features, num_frames = jnp.asarray(features), jnp.asarray(num_frames)
        frames, bins = features.shape[1:]
        numbers = jnp.asarray(np.array([self.number(n) for n in range(frames + 1)], np.int32))[num_frames]
        hidden = hidden_patches(keys, num_frames, numbers, patch_frames=self.patch_frames, frames=frames)
        silent = hidden[:, :, None]
        if self.freq_masks and self.freq_width:

            def bands(key: Key) -> Bool[Array, " F"]:
                key = jax.random.fold_in(key, 1)
                return random_spans(key, jnp.array([bins]), self.freq_width, count=self.freq_masks, size=bins)[0].any(0)

            silent = silent | jax.vmap(bands)(keys)[:, None, :]
        silent = silent & length_mask(num_frames, frames)[:, :, None]
        return jnp.where(silent, jnp.zeros((), features.dtype), features), hidden
