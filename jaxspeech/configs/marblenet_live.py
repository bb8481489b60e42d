"""Detects speech in live audio: the MarbleNet of marblenet_vad with kernels that look little or not at all ahead.

    jaxspeech train --config=marblenet_live:causal --config.data_dir=data --workdir=runs/live
    jaxspeech train --config=marblenet_live:short --config.data_dir=data --workdir=runs/live

Data and training are those of marblenet_vad, and the size is 93 thousand parameters. A frame of 20 ms depends on the
audio up to its end ("causal"), or up to 160 ms after it ("short"; 1.46 s in marblenet_vad). A live stream waits for as
long, and its probabilities are those of the whole recording.

NeMo reads such blocks (`future_context`), except dilated ones: a block of these recipes has a longer kernel in place of
each dilated one.
"""

from ml_collections import ConfigDict

from jaxspeech.configs import marblenet_vad
from jaxspeech.configs.base import pick

# Taps after the output's frame, of each convolution.
SIZES = {"causal": {"look_ahead": 0}, "short": {"look_ahead": 1}}
# The reach of the dilated kernel of marblenet_vad, 29 taps at a dilation of 2.
LONG_KERNEL = 57


def get_config(size: str = "causal") -> ConfigDict:
    config = marblenet_vad.get_config()
    block = pick(SIZES, size, recipe="marblenet_live")
    blocks = [dict(given) | block for given in config.model.encoder.blocks]
    for given in blocks:
        if given.pop("dilation", 1) > 1:
            given["kernel"] = LONG_KERNEL
    config.model.encoder.blocks = blocks
    return config
