"""NeMo's tensors of masked prediction, and our variables for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow, Transform, linear, pointwise, same

SUBSAMPLING = "encoder.pre_encode"
# Where NeMo has the subsampling and the mask of a model that masks subsampled frames: each twice, as one tensor.
WRAPPERS = ("encoder.pre_encode", "pre_encoder")
CODEBOOKS = "quantizer.codebooks"
# NeMo computes distances to float64 codes.
double = Transform(lambda x: x, lambda x: x.astype(np.float64))


def _projection(books: int) -> Transform:
    """Linear [books * code_dim, features] to [features, books, code_dim]."""
    return Transform(lambda x: x.T.reshape(x.shape[1], books, -1), lambda x: x.reshape(len(x), -1).T)


def pretraining_rows(model: Mapping[str, Any]) -> list[TensorRow]:
    """The rows for our `model` configuration."""
    collection = "params" if model["masking"]["trained"] else "constants"
    mask = TensorRow("mask_processor.mask_embedding", f"{collection}/masking/embedding", same)
    head = linear("decoder.decoder_layers.0", "params/decoder/codes", pointwise)
    rows = [
        *encoder_rows(model["encoder"]),
        TensorRow(
            "quantizer.proj.weight", "constants/quantizer/projection", _projection(model["quantizer"]["num_books"])
        ),
        TensorRow(CODEBOOKS, "constants/quantizer/codes", double),
        mask,
        *(head if model["decoder"]["use_bias"] else head[:1]),
    ]
    if model["mask_position"] == "features":
        return rows
    wrapped = [row._replace(nemo=f"{wrapper}.masking.mask_embedding") for wrapper in WRAPPERS for row in [mask]]
    subsampling = [row for row in rows if row.nemo.startswith(f"{SUBSAMPLING}.")]
    for wrapper in WRAPPERS:
        wrapped += [
            row._replace(nemo=f"{wrapper}.pre_encode{row.nemo.removeprefix(SUBSAMPLING)}") for row in subsampling
        ]
    return [row for row in rows if row not in subsampling] + wrapped
