"""Hides patches of frames of a spectrum, for pretraining a model to fill them in (NeMo's ssl_pretrain_masking.py)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from jaxspeech.errors import ConfigError
from jaxspeech.types import Key, Size


@dataclass(frozen=True)
class Patches:
    """Which frames are hidden.

    Attributes:
      patch_frames: frames of a patch.
      hidden: share of the frames that are hidden, rounded up to whole patches in training.
    """

    patch_frames: int = 10
    hidden: int | float = 0.7

    def __post_init__(self) -> None:
        if self.patch_frames < 1 or not 0 < self.hidden <= 1:
            raise ConfigError("model.pretraining: needs patch_frames of at least 1, and hidden above 0 and at most 1")

    def number(self, num_frames: int) -> int:
        """Returns how many patches of a recording are hidden in training."""
        wanted = -(-int(num_frames * self.hidden) // self.patch_frames)
        return min(wanted, num_frames // self.patch_frames)

    def drawn(self, keys: Key, num_frames: Int[Array, " B"], frames: int) -> Bool[Array, "B N"]:
        """Draws the frames that stay visible: each row hides whole patches, any of its own being as probable.

        Args:
          keys: one for each row.
          num_frames: of each row.
          frames: N.
        """
        numbers = jnp.asarray(np.array([self.number(n) for n in range(frames + 1)], np.int32))[num_frames]
        return ~hidden_patches(keys, num_frames, numbers, patch_frames=self.patch_frames, frames=frames)

    def fixed(self, frames: Size) -> Bool[Array, " N"]:
        """Returns the frames that stay visible in evaluations: the end of each period of patch_frames // hidden."""
        return jnp.arange(frames) % int(self.patch_frames // self.hidden) >= self.patch_frames


def hidden_patches(
    keys: Key, num_frames: Int[Array, " B"], numbers: Int[Array, " B"], *, patch_frames: int, frames: int
) -> Bool[Array, "B N"]:
    """Draws whole patches that are hidden, any of a row's own being as probable.

    Args:
      keys: one for each row.
      num_frames: of each row.
      numbers: how many patches each row hides.
      patch_frames: of a patch.
      frames: N.
    """
    most = frames // patch_frames

    def row(key: Key, own: Int[Array, ""], number: Int[Array, ""]) -> Bool[Array, " P"]:
        # One draw a patch, so that it does not depend on the padding.
        order = jax.vmap(lambda patch: jax.random.uniform(jax.random.fold_in(key, patch)))(jnp.arange(most))
        order = jnp.where(jnp.arange(most) < own, order, jnp.inf)
        return jnp.argsort(jnp.argsort(order)) < number

    hidden = jax.vmap(row)(keys, num_frames // patch_frames, numbers)
    hidden = jnp.repeat(hidden, patch_frames, axis=1)
    return jnp.pad(hidden, ((0, 0), (0, frames - hidden.shape[1])))
