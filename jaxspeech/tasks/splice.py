"""Puts frames of audio into a sequence of token embeddings, at the places that are kept for them.

x_p = e(id_p)                     where id_p is a token
x_p = frame k                     where id_p is AUDIO for the k-th time in the row

The frames of a row are those of its audios, one audio after the other; each place takes one frame. Shapes are static:
the host keeps as many places as there will be frames (`kinds.Answering.frames`). NeMo puts the frames in and then
pads the rows (`replace_placeholders_and_build_targets` in speechlm2/models/salm.py); the sequences are the same.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.text.chat import AUDIO


def audio_places(ids: Int[Any, "B L"], num_ids: Int[Any, " B"]) -> Bool[Array, "B L"]:
    """Which places take a frame of audio."""
    return (jnp.asarray(ids) == AUDIO) & (jnp.arange(ids.shape[1]) < jnp.asarray(num_ids)[:, None])


def splice(
    embedded: Float[Array, "B L D"],
    places: Bool[Array, "B L"],
    frames: Float[Array, "B M T D"],
    num_frames: Int[Array, "B M"],
) -> Float[Array, "B L D"]:
    """Replaces the embeddings at `places` by frames, in order.

    Args:
      embedded: of the tokens; any values at places of audio.
      places: which take frames.
      frames: of M stretches of audio for each row.
      num_frames: real frames of each stretch; those beyond may hold anything. A place for which no frame is left
        becomes zero.
    """
    b, stretches, size, width = frames.shape
    if not stretches * size:
        return jnp.where(places[..., None], 0, embedded)
    order = jnp.cumsum(places, axis=1) - 1
    ends = jnp.cumsum(num_frames, axis=1)
    stretch = (order[:, :, None] >= ends[:, None, :]).sum(-1)
    left = stretch < stretches
    stretch = jnp.minimum(stretch, stretches - 1)
    within = order - jnp.take_along_axis(ends - num_frames, stretch, axis=1)
    index = jnp.clip(stretch * size + within, 0, stretches * size - 1)
    found = jnp.take_along_axis(frames.reshape(b, stretches * size, width), index[..., None], axis=1)
    found = jnp.where((places & left)[..., None], found, 0).astype(embedded.dtype)
    return jnp.where(places[..., None], found, embedded)
