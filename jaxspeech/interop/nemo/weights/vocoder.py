"""NeMo's tensors of HiFi-GAN, and our variables for them.

`weight_g` and `weight_v` are the scale and the direction of a weight norm. Under a spectral norm there is the kernel,
`weight_orig`, and the vectors of its power iteration, `weight_u` and `weight_v`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.weights.rows import TensorRow, Transform, conv1d, same

GENERATOR = "params/generator"
# Layers of a discriminator before its score.
PERIOD_LAYERS, SCALE_LAYERS = 5, 7


def _vector(axes: int) -> Transform:
    """A vector [out] that NeMo keeps with `axes` ones after it."""

    def read(x: np.ndarray) -> np.ndarray:
        if x.shape[1:] != (1,) * axes:
            raise ValueError("it is no vector")
        return x.reshape(-1)

    return Transform(read, lambda x: x.reshape(-1, *(1,) * axes))


def _column(x: np.ndarray) -> np.ndarray:
    if x.shape[3:] != (1,):
        raise ValueError("its width is not 1")
    return x[..., 0].transpose(2, 1, 0)


# Transposed convolution [in, out, time] to [time, in, out].
transposed = Transform(lambda x: x.transpose(2, 0, 1), lambda x: x.transpose(1, 2, 0))
# Convolution of images that are one column wide, [out, in, time, 1] to [time, in, out].
column = Transform(_column, lambda x: x.transpose(2, 1, 0)[..., None])


def _rows_first(taps: int) -> Transform:
    """A vector over [in, time] to one over [time, in]."""
    return Transform(lambda x: x.reshape(-1, taps).T.reshape(-1), lambda x: x.reshape(taps, -1).T.reshape(-1))


def weight_normed(nemo: str, ours: str, transform: Transform = conv1d, *, axes: int = 2) -> list[TensorRow]:
    """The rows of a convolution under a weight norm, whose kernel has `axes` axes after that of its channels."""
    return [
        TensorRow(f"{nemo}.bias", f"{ours}/bias", same),
        TensorRow(f"{nemo}.weight_g", f"{ours}/scale", _vector(axes)),
        TensorRow(f"{nemo}.weight_v", f"{ours}/direction", transform),
    ]


def spectrally_normed(nemo: str, ours: str, taps: int) -> list[TensorRow]:
    """The rows of a convolution under a spectral norm; `ours` is without the collection."""
    return [
        TensorRow(f"{nemo}.bias", f"params/{ours}/bias", same),
        TensorRow(f"{nemo}.weight_orig", f"params/{ours}/kernel", conv1d),
        TensorRow(f"{nemo}.weight_u", f"spectral_norm/{ours}/u", same),
        TensorRow(f"{nemo}.weight_v", f"spectral_norm/{ours}/v", _rows_first(taps)),
    ]


def generator_rows(generator: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of a generator."""
    rows = weight_normed("generator.conv_pre", f"{GENERATOR}/first")
    rows += weight_normed("generator.conv_post", f"{GENERATOR}/last")
    convolutions = {"convs1": "dilated", "convs2": "plain"} if generator["block"] == "pairs" else {"convs": "dilated"}
    for i in range(len(generator["rates"])):
        rows += weight_normed(f"generator.ups.{i}", f"{GENERATOR}/upsampling_{i}", transposed)
        for j, dilations in enumerate(generator["block_dilations"]):
            for theirs, name in convolutions.items():
                for k in range(len(dilations)):
                    nemo = f"generator.resblocks.{i}.{j}.{theirs}.{k}"
                    rows += weight_normed(nemo, f"{GENERATOR}/block_{i}_{j}/{name}_{k}")
    return rows


def discriminator_rows(periods: tuple[int, ...], num_scales: int, scale_taps: tuple[int, ...]) -> list[TensorRow]:
    """The rows of the discriminators; `scale_taps` are those of each layer of a scale discriminator, score included."""
    rows: list[TensorRow] = []
    for i, period in enumerate(periods):
        nemo, ours = f"mpd.discriminators.{i}", f"params/discriminators/period_{period}"
        for k in range(PERIOD_LAYERS):
            rows += weight_normed(f"{nemo}.convs.{k}", f"{ours}/layers_{k}", column, axes=3)
        rows += weight_normed(f"{nemo}.conv_post", f"{ours}/score", column, axes=3)
    for i in range(num_scales):
        nemo, ours = f"msd.discriminators.{i}", f"discriminators/scale_{i}"
        names = {f"{nemo}.convs.{k}": f"{ours}/layers_{k}" for k in range(SCALE_LAYERS)}
        names[f"{nemo}.conv_post"] = f"{ours}/score"
        for taps, (theirs, name) in zip(scale_taps, names.items(), strict=True):
            rows += weight_normed(theirs, f"params/{name}") if i else spectrally_normed(theirs, name, taps)
    return rows


def in_present_layout(name: str, num_blocks: int) -> str:
    """The name of a tensor in the layout of today: older files number the residual blocks of all stages together."""
    parts = name.split(".")
    if parts[:2] == ["generator", "resblocks"] and len(parts) == 6 and parts[2].isdecimal():
        number = int(parts[2])
        parts[2] = f"{number // num_blocks}.{number % num_blocks}"
    return ".".join(parts)
