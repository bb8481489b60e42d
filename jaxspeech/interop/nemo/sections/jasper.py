"""The table of the convolutional encoders: arguments of NeMo's class and of its blocks, and our fields for them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    among,
    flag,
    integer,
    number,
    only,
    share,
    size,
)
from jaxspeech.interop.nemo.sections.read import read_arguments


def _single(convert: Callable[[Any], int]) -> Callable[[Any], int]:
    """Accepts a number, or a list of one, as NeMo writes sizes along time."""
    return lambda value: convert(value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value)


def _scaled_kernel(kernel: int, factor: int | float) -> int:
    """Scales the kernel size, rounds down and makes it odd."""
    return max(int(kernel * factor), 1) | 1


def _finish_block(block: dict[str, Any]) -> None:
    block["kernel"] = _scaled_kernel(block["kernel"], block.pop("kernel_size_factor"))
    _check_context(block)


def _check_context(block: dict[str, Any]) -> None:
    """Raises ValueError for a kernel that NeMo shifts, and whose output it makes longer than the input."""
    if 0 <= block["look_ahead"] < block["kernel"] and block["dilation"] > 1:
        raise ValueError(f"future_context {block['look_ahead']} with a dilation of {block['dilation']}")


def _list_of_one(value: int) -> list[int]:
    return [value]


BLOCK = Section(
    "",
    (
        Argument("filters", "filters", Required, size),
        Argument("kernel", "kernel", Required, _single(integer(1, 4096)), _list_of_one),
        Argument("repeat", "repeat", Required, integer(1, 64)),
        Argument("stride", "stride", Required, _single(integer(1, 64)), _list_of_one),
        Argument("stride_last", "stride_last", False, flag),
        Argument("dilation", "dilation", Required, _single(integer(1, 64)), _list_of_one),
        Argument("separable", "separable", False, flag),
        Argument("residual", "residual", Required, flag),
        Argument("residual_dense", "residual_dense", False, flag),
        Argument("se", "squeeze_excite", False, flag),
        Argument("se_reduction_ratio", "se_reduction", 8, integer(1, 1 << 14)),
        Argument("se_context_size", "se_context", -1, integer(-1, 1 << 20)),
        Argument("dropout", "dropout", Required, share),
        Argument("kernel_size_factor", "kernel_size_factor", 1.0, number(0, 64)),
        # A residual has the stride of its block: no other would fit.
        Argument("residual_mode", None, "add", among("add", "stride_add"), lambda _: "stride_add"),
        only("groups", 1),
        only("heads", -1),
        Argument("future_context", "look_ahead", -1, integer(-1, 4096)),
    ),
    frozenset({"se_interpolation_mode", "se_repeat"}),
    finish=_finish_block,
)


def _kernels(value: Any) -> list[int]:
    if not isinstance(value, (list, tuple)) or not 0 < len(value) <= 64:
        raise ValueError("must be a list of sizes, one for each parallel block")
    return [integer(1, 4096)(size) for size in value]


def _finish_parallel_block(block: dict[str, Any]) -> None:
    factor, dropout = block.pop("kernel_size_factor"), block.pop("block_dropout")
    block["kernel"], *block["parallel_kernels"] = [_scaled_kernel(kernel, factor) for kernel in block["kernel"]]
    block["parallel_dropout"] = dropout if block.pop("aggregation") == "dropout" else None


def _gather_parallel_block(block: dict[str, Any]) -> dict[str, Any]:
    dropout = block["parallel_dropout"]
    return block | {
        "kernel": [block["kernel"], *block["parallel_kernels"]],
        "aggregation": "sum" if dropout is None else "dropout",
        "block_dropout": dropout or 0.0,
    }


# A block has as many copies as kernel sizes.
PARALLEL_BLOCK = BLOCK._replace(
    arguments=(
        *(argument for argument in BLOCK.arguments if argument.nemo != "kernel"),
        Argument("kernel", "kernel", Required, _kernels),
        Argument("aggregation_mode", "aggregation", "sum", among("sum", "dropout")),
        Argument("block_dropout", "block_dropout", 0.0, number(0, 0.99)),
        Argument("parallel_residual_mode", "parallel_residual", "sum", among("sum", "conv")),
    ),
    finish=_finish_parallel_block,
    gather=_gather_parallel_block,
)


def _blocks(value: Any, table: Section = BLOCK) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not 0 < len(value) <= 512 or not all(isinstance(b, Mapping) for b in value):
        raise ValueError("must be a list of sections")
    problems: list[str] = []
    blocks = [read_arguments(table, block, str(i), problems) for i, block in enumerate(value)]
    if problems:
        raise ValueError("; ".join(problems))
    return blocks


def _nemo_blocks(blocks: Any, table: Section = BLOCK) -> list[dict[str, Any]]:
    """NeMo's list for our blocks, whose kernels are already scaled."""
    fields = [table.gather(asdict(block) | {"kernel_size_factor": 1.0}) for block in blocks]
    return [{a.nemo: a.back(f[a.ours] if a.ours else a.default) for a in table.arguments} for f in fields]


def _finish(encoder: dict[str, Any]) -> None:
    # NeMo's batch norms count the padding.
    encoder["norm_over_padding"] = True


JASPER = Section(
    "jasper",
    (
        Argument("jasper", "blocks", Required, _blocks, _nemo_blocks),
        Argument("activation", "activation", Required, among("relu", "swish")),
        # Weight initialisation: NeMo's other modes become its usual one.
        Argument(
            "init_mode",
            "weight_init",
            "xavier_uniform",
            lambda mode: mode if mode == "tds_uniform" else "xavier_uniform",
        ),
        only("normalization_mode", "batch"),
        only("conv_mask", True),
        only("quantize", False),
        only("frame_splicing", 1),
    ),
    # feat_in follows from the features; the norms have no groups; each block has its residual's mode.
    frozenset({"feat_in", "norm_groups", "residual_mode"}),
    finish=_finish,
    fits=lambda fields: not any(block.parallel_kernels for block in fields["blocks"]) and not fields["adapters"],
)
# The class of encoders that have adapters, or once had some.
ADAPTED_JASPER = JASPER._replace(
    fits=lambda fields: not any(block.parallel_kernels for block in fields["blocks"]),
    package="nemo.collections.asr.modules.conv_asr",
)
PARALLEL_JASPER = JASPER._replace(
    arguments=(
        Argument(
            "jasper",
            "blocks",
            Required,
            partial(_blocks, table=PARALLEL_BLOCK),
            partial(_nemo_blocks, table=PARALLEL_BLOCK),
        ),
        *JASPER.arguments[1:],
    ),
    # Each block has its own aggregation.
    without_effect=JASPER.without_effect | {"aggregation_mode"},
    fits=lambda fields: True,
)
