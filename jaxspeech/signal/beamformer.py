"""Beamforming by masks: from masks to covariances to filters to one output or more for each mask.

Phi_s[m] of the mask m, Phi_n[m] of what it leaves: 1 - mask if there is one mask, else the sum of the others
(nemo/collections/audio/modules/masking.py, MaskBasedBeamformer).
"""

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.masks import length_mask
from jaxspeech.signal.covariance import covariances
from jaxspeech.signal.hermitian import loaded
from jaxspeech.signal.mask import limited
from jaxspeech.signal.mvdr import (
    EPSILON,
    LOADING,
    Rank,
    blind_normalization,
    check_rank,
    filtered,
    reference_weights,
    wiener_filters,
)


class Beamformer(NamedTuple):
    """The settings of beamforming by masks.

    Attributes:
      beta, rank, loading, epsilon: those of `mvdr.wiener_filters`. The first two as they are make an MVDR beamformer.
      reference: the channel whose speech is estimated, counted from 0; "max_snr" finds one, with
        `mvdr.reference_weights`; "all" gives an output for each channel.
      hard, straight_through: of "max_snr".
      postfilter: "ban" restores the level of the output, with `mvdr.blind_normalization`.
      least_db, most_db: limits of the masks.
      post_least_db, post_most_db: limits of the mask by which the output is multiplied once more; equal: it is not.
    """

    beta: int | float = 0.0
    rank: Rank = "one"
    loading: int | float = LOADING
    epsilon: float = EPSILON
    reference: int | Literal["max_snr", "all"] = 0
    hard: bool = True
    straight_through: bool = False
    postfilter: Literal["none", "ban"] = "none"
    least_db: int | float = -200.0
    most_db: int | float = 0.0
    post_least_db: int | float = 0.0
    post_most_db: int | float = 0.0

    def check(self) -> None:
        """Checks the settings.

        Raises:
          ConfigError: a setting cannot be used.
        """
        check_rank(self.rank, self.beta)
        if self.rank not in ("one", "full") or self.postfilter not in ("none", "ban"):
            raise ConfigError(
                f'rank {self.rank!r} must be "one" or "full", postfilter {self.postfilter!r} "none" or "ban"'
            )
        if not isinstance(self.reference, int) and self.reference not in ("max_snr", "all"):
            raise ConfigError(f'reference is {self.reference!r}: it is a channel, "max_snr" or "all"')
        if self.least_db >= self.most_db:
            raise ConfigError(f"least_db {self.least_db} must be below most_db {self.most_db}")
        if self.post_least_db > self.post_most_db:
            raise ConfigError(f"post_least_db {self.post_least_db} must not be above post_most_db {self.post_most_db}")


def beamformed(
    spectra: Complex[Array, "B C N F"],
    masks: Float[Array, "B M N F"],
    num_frames: Int[Array, " B"],
    settings: Beamformer,
    *,
    noise_masks: Float[Array, "B M N F"] | None = None,
    speech_bins: Float[Array, " F"] | None = None,
    noise_bins: Float[Array, " F"] | None = None,
) -> Complex[Array, "B K N F"]:
    """Beamforms one output for each mask.

    Args:
      spectra: C channels.
      masks: of M sources, from 0 to 1; frames beyond `num_frames` may hold anything, in spectra too.
      num_frames: real frames of each row.
      settings: those of the beamformer.
      noise_masks: what is not to be heard of each source; None follows from `masks`.
      speech_bins, noise_bins: those of `mvdr.reference_weights`.

    Returns:
      K = M outputs, zero beyond each row's frames; with the reference "all" K = M C, source by source.

    Raises:
      ConfigError: a setting cannot be used, or there is no such reference channel.
    """
    settings.check()
    channels, outputs = spectra.shape[1], masks.shape[1]
    if isinstance(settings.reference, int) and not 0 <= settings.reference < channels:
        raise ConfigError(f"reference is {settings.reference}: there are {channels} channels, counted from 0")
    real = length_mask(num_frames, spectra.shape[2])[:, None, :, None]
    spectra, masks = jnp.where(real, spectra, 0), jnp.where(real, masks, 0)
    if noise_masks is None:
        noise_masks = 1 - masks if outputs == 1 else masks.sum(1, keepdims=True) - masks
    both = limited(jnp.concatenate([masks, noise_masks], axis=1), least_db=settings.least_db, most_db=settings.most_db)
    speech, noise = jnp.split(covariances(spectra, jnp.where(real, both, 0)), 2, axis=1)
    filters = wiener_filters(
        speech, noise, beta=settings.beta, rank=settings.rank, loading=settings.loading, epsilon=settings.epsilon
    )
    # The noise in what follows is the loaded one, as in NeMo.
    if settings.rank == "one" and settings.loading:
        noise = loaded(noise, settings.loading, settings.epsilon)
    if settings.reference == "max_snr":
        weights = reference_weights(
            filters,
            speech,
            noise,
            hard=settings.hard,
            straight_through=settings.straight_through,
            speech_bins=speech_bins,
            noise_bins=noise_bins,
            epsilon=settings.epsilon,
        )
        filters = (filters * weights[:, :, None, None]).sum(-1, keepdims=True)
    elif isinstance(settings.reference, int):
        filters = filters[..., settings.reference : settings.reference + 1]
    if settings.postfilter == "ban":
        filters = filters * blind_normalization(filters, noise, epsilon=settings.epsilon)[..., None, :]
    out = filtered(spectra, filters.transpose(0, 2, 3, 1, 4).reshape(*filters.shape[:3:2], channels, -1))
    if settings.post_least_db < settings.post_most_db:
        post = limited(masks, least_db=settings.post_least_db, most_db=settings.post_most_db)
        out = out * jnp.repeat(post, out.shape[1] // outputs, axis=1)
    return jnp.where(real, out, 0)
