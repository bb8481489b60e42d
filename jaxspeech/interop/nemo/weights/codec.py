"""NeMo's tensors of neural codecs, and our variables for them."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.weights.rows import TensorRow, Transform, conv1d, same

# A norm of each channel, [C, 1, 1].
_gains = Transform(lambda x: x.reshape(len(x)), lambda x: x[:, None, None])
# A transposed convolution [in, out, time] to [time, in, out].
_transposed = Transform(lambda x: x.transpose(2, 0, 1), lambda x: x.transpose(1, 2, 0))
# A number for each channel, [1, C, 1].
_alphas = Transform(lambda x: x.reshape(x.shape[1]), lambda x: x[None, :, None])
# The names of a normalised kernel in torch before 2.1, and today's.
OLD_NAMES = {".weight_g": ".parametrizations.weight.original0", ".weight_v": ".parametrizations.weight.original1"}


def conv_rows(nemo: str, ours: str, transform: Transform = conv1d) -> list[TensorRow]:
    """The rows of a convolution with a normalised kernel."""
    kernel = f"{nemo}.conv.parametrizations.weight"
    return [
        TensorRow(f"{nemo}.conv.bias", f"{ours}/bias", same),
        TensorRow(f"{kernel}.original0", f"{ours}/scale", _gains),
        TensorRow(f"{kernel}.original1", f"{ours}/direction", transform),
    ]


def _activation(nemo: str, ours: str, kind: str) -> list[TensorRow]:
    inner = {"snake": "activation.alpha", "half_snake": "activation.snake_act.alpha"}
    return [TensorRow(f"{nemo}.{inner[kind]}", f"{ours}/alpha", _alphas)] if kind in inner else []


def network_rows(nemo: str, ours: str, fields: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of an encoder or a decoder.

    Args:
      nemo, ours: where they are.
      fields: of our module, all that have no default here.
    """
    kind = fields.get("activation", "leaky_relu")
    sampling = ("down_sample", "down", conv1d) if nemo == "audio_encoder" else ("up_sample", "upsampling", _transposed)
    rows = conv_rows(f"{nemo}.pre_conv", f"{ours}/first") + conv_rows(f"{nemo}.post_conv", f"{ours}/last")
    rows += _activation(f"{nemo}.post_activation", f"{ours}/last_activation", kind)
    for i in range(len(fields["rates"])):
        rows += _activation(f"{nemo}.activations.{i}", f"{ours}/activation_{i}", kind)
        rows += conv_rows(f"{nemo}.{sampling[0]}_conv_layers.{i}", f"{ours}/{sampling[1]}_{i}", sampling[2])
        for k in range(len(fields["kernel_sizes"])):
            for j in range(len(fields["dilations"])):
                theirs = f"{nemo}.res_layers.{i}.res_blocks.{k}.res_blocks.{j}"
                name = f"{ours}/residual_{i}/chain_{k}_{j}"
                for part, conv in (("wide", "input"), ("narrow", "skip")):
                    rows += conv_rows(f"{theirs}.{conv}_conv", f"{name}_{part}")
                    rows += _activation(f"{theirs}.{conv}_activation", f"{name}_{part}_activation", kind)
    return rows


def codebook_rows(quantizer: Mapping[str, Any]) -> Iterator[TensorRow]:
    """The rows of the codebooks of a `ResidualVQ`."""
    groups, number = quantizer.get("groups", 1), quantizer["num_codebooks"]
    for i in range(number):
        group, place = divmod(i, number // groups)
        nemo = "vector_quantizer" + (f".rvqs.{group}" if groups > 1 else "")
        names = {"codes": "codes", "codes_avg": "sums", "cluster_size": "counts", "initialized": "started"}
        for theirs, ours in names.items():
            yield TensorRow(f"{nemo}.codebooks.{place}.{theirs}", f"codebooks/quantizer/codebook_{i}/{ours}", same)


def level_tensors(groups: int, levels: tuple[int, ...]) -> dict[str, np.ndarray]:
    """What NeMo saves of an FSQ: the levels of each group, and what their digits are multiplied by."""
    counts = {"dim_base_index": np.cumprod([1, *levels[:-1]]), "num_levels": np.array(levels)}
    return {
        f"vector_quantizer.fsqs.{i}.{name}": value.astype(np.int32)[None, :, None]
        for i in range(groups)
        for name, value in counts.items()
    }


def in_present_names(model: Mapping[str, Any], tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors under today's names; a single group of codebooks as no group."""
    del model
    one_group = not any(name.startswith("vector_quantizer.rvqs.1.") for name in tensors)
    renamed = {}
    for name, tensor in tensors.items():
        if not name.startswith("discriminator."):
            for old, new in OLD_NAMES.items():
                name = name.removesuffix(old) + new if name.endswith(old) else name
            if one_group:
                name = name.replace("vector_quantizer.rvqs.0.", "vector_quantizer.", 1)
        renamed[name] = tensor
    return renamed
