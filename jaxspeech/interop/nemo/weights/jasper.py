"""NeMo's tensors of the convolutional encoders, and our variables for them."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.weights.rows import (
    TensorRow,
    batch_norm,
    conv1d,
    dense,
    depthwise,
    linear_adapter_rows,
    pointwise,
)


def jasper_rows(encoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows for the blocks of a configuration."""
    rows: list[TensorRow] = []
    dense_inputs = 0
    for i, block in enumerate(encoder["blocks"]):
        block = OPTIONS | block
        dense_inputs = dense_inputs + 1 if block["residual"] and block["residual_dense"] else 0
        nemo, ours = f"encoder.encoder.{i}", f"encoder/block_{i}"
        kernels = block["parallel_kernels"]
        if not kernels:
            rows += block_rows(nemo, ours, block, num_inputs=dense_inputs or 1)
            for adapter in encoder.get("adapters", ()):
                name = adapter["name"]
                rows += linear_adapter_rows(f"{nemo}.adapter_layer.{name}", f"params/{ours}/adapter_{name}")
            continue
        for j, kernel in enumerate((block["kernel"], *kernels)):
            rows += block_rows(f"{nemo}.blocks.{j}", f"{ours}/copy_{j}", block | {"kernel": kernel}, num_inputs=1)
        if block["parallel_residual"] == "conv":
            rows.append(TensorRow(f"{nemo}.res_conv.conv.weight", f"params/{ours}/residual/pointwise", pointwise))
    return rows


def copies_tensors(blocks: Iterable[Any]) -> dict[str, np.ndarray]:
    """The factors of the copies of each block with dropout of copies: NeMo saves them, and they are always ones."""
    return {
        f"encoder.encoder.{i}.weights": np.ones(len(block.copies), np.float32)
        for i, block in enumerate(blocks)
        if block.parallel_kernels and block.parallel_dropout is not None
    }


# Defaults of the fields of our blocks on which the weights depend.
OPTIONS: dict[str, Any] = {"repeat": 1, "separable": False, "squeeze_excite": False}
OPTIONS |= {"residual": False, "residual_dense": False, "parallel_kernels": (), "parallel_residual": "sum"}


def block_rows(nemo: str, ours: str, block: Mapping[str, Any], *, num_inputs: int) -> list[TensorRow]:
    """The rows of one block; NeMo numbers its modules in one list, with activations and dropouts between them."""
    rows: list[TensorRow] = []
    place = 0
    for i in range(block["repeat"]):
        if block["separable"]:
            kinds = [("depthwise", depthwise), ("pointwise", pointwise)]
        else:
            kinds = [("pointwise", pointwise) if block["kernel"] == 1 else ("kernel", conv1d)]
        for name, transform in kinds:
            rows.append(TensorRow(f"{nemo}.mconv.{place}.conv.weight", f"params/{ours}/conv_{i}/{name}", transform))
            place += 1
        rows += batch_norm(f"{nemo}.mconv.{place}", f"{ours}/norm_{i}")
        place += 3
    if block["squeeze_excite"]:
        place -= 2  # the last repetition has neither activation nor dropout of its own
        rows += [
            TensorRow(f"{nemo}.mconv.{place}.fc.{j}.weight", f"params/{ours}/squeeze_excite/{name}/kernel", dense)
            for j, name in ((0, "down"), (2, "up"))
        ]
    for i in range(num_inputs if block["residual"] else 0):
        rows.append(TensorRow(f"{nemo}.res.{i}.0.conv.weight", f"params/{ours}/conv_residual_{i}/pointwise", pointwise))
        rows += batch_norm(f"{nemo}.res.{i}.1", f"{ours}/norm_residual_{i}")
    return rows
