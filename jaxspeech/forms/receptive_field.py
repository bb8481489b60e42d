"""Computes how far around a frame a model looks, so that a long recording can be computed in overlapping windows.

Frames whose whole receptive field is inside a window are what they are in the whole recording.
"""

from typing import Any

from jaxspeech.encoders.jasper import Jasper
from jaxspeech.features.mfcc import MFCC

# Feature frames on whose window the ends of a recording have an effect: half a Fourier transform, and the first sample
# of the pre-emphasis.
FEATURE_BORDER = 4


def receptive_frames(model: Any) -> int | None:
    """Returns the encoder frames to either side of a frame that can affect it.

    None if all of the recording can: features normalised over the recording or limited relative to its peak, attention,
    recurrence, gates that average over time.
    """
    frontend, encoder = model.frontend, model.encoder
    whole = not frontend.log if isinstance(frontend, MFCC) else frontend.normalize != "none"
    if whole or not isinstance(encoder, Jasper) or any(block.squeeze_excite for block in encoder.blocks):
        return None
    reach, stride = FEATURE_BORDER, 1
    for block in encoder.blocks:
        kernel = max(block.kernel, *block.parallel_kernels, 1)
        for step in block.strides:
            reach += (kernel - 1) // 2 * block.dilation * stride
            stride *= step
    return -(-reach // stride) + 1
