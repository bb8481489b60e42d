"""A random model of frames: convolutions with a stride, over features that depend on nothing far away."""

import jax

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.text.classes import Classes

MODEL = {
    "task": "frame_classification",
    "features": {"name": "mel", "num_mels": 8, "normalize": "none", "dither": 0.0, "window_seconds": 0.025},
    "encoder": {
        "name": "jasper",
        "blocks": [
            {"filters": 6, "kernel": 11, "stride": 2, "separable": True},
            {"filters": 6, "kernel": 13, "repeat": 2, "residual": True},
            {"filters": 6, "kernel": 5, "dilation": 2},
        ],
    },
    "decoder": {"name": "frames"},
    "num_classes": 2,
}


def frame_archive(model=MODEL) -> Archive:
    variables = jax.device_get(jax.jit(build(model).init)(jax.random.key(1)))
    return Archive(model, {"classes": Classes(["background", "speech"])}, variables, {})
