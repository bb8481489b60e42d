"""The table of weights of NCSN++."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.weights.rows import TensorRow, dense, image_conv, linear, norm, pointwise2d, same


def ncsnpp_rows(estimator: Mapping[str, Any], nemo: str = "estimator", ours: str = "estimator") -> list[TensorRow]:
    """The rows for the section `estimator` of a `model` dict; `nemo` and `ours` are the paths of the network."""
    inner, params = f"{nemo}.ncsnpp", f"params/{ours}"
    widths, blocks, timed = estimator["widths"], estimator["num_res_blocks"], estimator["conditioned_on_time"]
    levels, rows = len(widths) - 1, linear(f"{nemo}.output_projection", f"{params}/out", pointwise2d)
    if timed:
        # The first entry of NeMo's sequence is the expansion, the third the activation.
        rows.append(TensorRow(f"{inner}.time_embedding.0.W", f"constants/{ours}/frequencies", same))
        rows += linear(f"{inner}.time_embedding.1", f"{params}/time_in", dense)
        rows += linear(f"{inner}.time_embedding.3", f"{params}/time_out", dense)
    for level in range(levels):
        rows += linear(f"{inner}.input_pyramid.{level}", f"{params}/image_in_{level}", pointwise2d)
        rows += linear(f"{inner}.projection_blocks.{level}", f"{params}/image_out_{level}", pointwise2d)
        for i in range(blocks):
            # NeMo numbers the blocks in the order in which they are computed.
            down, up = level * blocks + i, (levels - 1 - level) * blocks + blocks - 1 - i
            first, last = (widths[level + (i > 0)], widths[level + 1]), (widths[level + 1], widths[level + (i > 0)])
            rows += _block(f"{inner}.input_blocks.{down}", f"{params}/down_{level}_{i}", first, timed=timed)
            rows += _block(f"{inner}.output_blocks.{up}", f"{params}/up_{level}_{i}", last, timed=timed)
    return rows


def _block(nemo: str, ours: str, channels: tuple[int, int], *, timed: bool) -> list[TensorRow]:
    """The rows of a residual block with so many channels in and out."""
    rows = norm(f"{nemo}.input_block.0", f"{ours}/norm_in")
    rows += linear(f"{nemo}.middle_conv", f"{ours}/conv_in", image_conv)
    if timed:
        rows += linear(f"{nemo}.diffusion_step_projection.1", f"{ours}/time", dense)
    rows += norm(f"{nemo}.output_block.0", f"{ours}/norm_out")
    rows += linear(f"{nemo}.output_block.3", f"{ours}/conv_out", image_conv)
    if channels[0] != channels[1]:
        rows += linear(f"{nemo}.residual_projection", f"{ours}/shortcut", pointwise2d)
    return rows
