"""The convolutional encoders: arguments of the peer's class and of its blocks, and the fields they become here."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from jaxspeech.interop.nemo.arguments import (
    Required,
    Row,
    Section,
    among,
    flag,
    integer,
    number,
    only,
    share,
    size,
    translated,
)


def _single(convert: Callable[[Any], int]) -> Callable[[Any], int]:
    """The peer writes sizes along time as lists of one."""
    return lambda value: convert(value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value)


def _scaled_kernel(kernel: int, factor: int | float) -> int:
    """The kernel that is meant: scaled, rounded down, and one more where that is even."""
    return max(int(kernel * factor), 1) | 1


def _finish_block(block: dict[str, Any]) -> None:
    block["kernel"] = _scaled_kernel(block["kernel"], block.pop("kernel_size_factor"))


def _list_of_one(value: int) -> list[int]:
    return [value]


BLOCK = Section(
    "",
    (
        Row("filters", "filters", Required, size),
        Row("kernel", "kernel", Required, _single(integer(1, 4096)), _list_of_one),
        Row("repeat", "repeat", Required, integer(1, 64)),
        Row("stride", "stride", Required, _single(integer(1, 64)), _list_of_one),
        Row("stride_last", "stride_last", False, flag),
        Row("dilation", "dilation", Required, _single(integer(1, 64)), _list_of_one),
        Row("separable", "separable", False, flag),
        Row("residual", "residual", Required, flag),
        Row("residual_dense", "residual_dense", False, flag),
        Row("se", "squeeze_excite", False, flag),
        Row("se_reduction_ratio", "se_reduction", 8, integer(1, 1 << 14)),
        Row("se_context_size", "se_context", -1, integer(-1, 1 << 20)),
        Row("dropout", "dropout", Required, share),
        Row("kernel_size_factor", "kernel_size_factor", 1.0, number(0, 64)),
        # A residual strides as its block does: any other would not fit.
        Row("residual_mode", None, "add", among("add", "stride_add"), lambda _: "stride_add"),
        only("groups", 1),
        only("heads", -1),
        only("future_context", -1),
    ),
    frozenset({"se_interpolation_mode"}),
    finish=_finish_block,
)


def _blocks(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not 0 < len(value) <= 512 or not all(isinstance(b, Mapping) for b in value):
        raise ValueError("must be a list of sections")
    problems: list[str] = []
    blocks = [translated(BLOCK, block, str(i), problems) for i, block in enumerate(value)]
    if problems:
        raise ValueError("; ".join(problems))
    return blocks


def _peers_blocks(blocks: Any) -> list[dict[str, Any]]:
    """The peer's list for our blocks, whose kernels are scaled already."""
    fields = [asdict(block) | {"kernel_size_factor": 1.0} for block in blocks]
    return [{row.peer: row.back(f[row.ours] if row.ours else row.default) for row in BLOCK.rows} for f in fields]


def _finish(encoder: dict[str, Any]) -> None:
    # The peer's batch norms count the padding.
    encoder["norm_over_padding"] = True


JASPER = Section(
    "jasper",
    (
        Row("jasper", "blocks", Required, _blocks, _peers_blocks),
        Row("activation", "activation", Required, among("relu", "swish")),
        # How the weights start: other ways of the peer's become its usual one.
        Row(
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
    # feat_in shows in the weights; the norms have no groups; each block says its residual's mode.
    frozenset({"feat_in", "norm_groups", "residual_mode"}),
    finish=_finish,
)
