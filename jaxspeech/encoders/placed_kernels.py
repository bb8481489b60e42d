"""The speaker kernels of a `FastConformer` (see `nn.speaker_kernel`) at their places between its layers."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from jaxtyping import Array, Float, Int

from jaxspeech.nn.speaker_kernel import SpeakerKernel
from jaxspeech.speaker_masks import SpeakerMasks, one_speaker

Kernels = Mapping[int, Callable[[Array], Array]]


def placed_kernels(
    encoder: Any,
    x: Float[Array, "B T D"],
    speakers: SpeakerMasks | None,
    num_frames: Int[Array, " B"],
    *,
    train: bool,
) -> Kernels:
    """Returns the speaker kernels by their place, as functions of the frames that any scan can call.

    It is called in the compact method of the encoder, which owns their parameters.
    """
    if not encoder.speaker_kernels:
        return {}
    masks = (one_speaker(x.shape[0]) if speakers is None else speakers).aligned(num_frames, x.shape[1])
    kernels = {}
    for place in encoder.speaker_kernels:
        options: Any = encoder.background_kernels, encoder.dropout_speakers, encoder.dtype
        kernel = SpeakerKernel(*options, name=f"speaker_kernel_{place}")
        if encoder.is_initializing():
            kernel(x, *masks)
        key = encoder.make_rng("dropout") if train and encoder.dropout_speakers else None
        kernels[place] = partial(_apply_kernel, kernel.clone(parent=None, name=None), kernel.variables, key, masks)
    return kernels


def _apply_kernel(
    kernel: SpeakerKernel, variables: Any, key: Any, masks: tuple[Array, Array], x: Float[Array, "B T D"]
) -> Float[Array, "B T D"]:
    rngs = {} if key is None else {"dropout": key}
    apply: Any = kernel.apply
    return apply(variables, x, *masks, train=key is not None, rngs=rngs)
