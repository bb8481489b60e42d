"""Counts the FLOPs of a program: the multiplications and additions of its matrix products and convolutions.

They are counted in the traced program, because XLA counts the body of a loop over layers only once. The rest (softmax,
normalisation, FFT, losses) is a few per cent of a training step and is left out, as usual. What rematerialisation
computes again is counted, since the device does that work.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

from jax.extend import core

# Peak FLOP/s of one device for dense bfloat16 matrix products, as stated by its maker. The first pattern found is used.
PEAKS = (
    (r"B200", 2250e12),
    (r"H200|H100 80GB HBM3|GH200", 989e12),
    (r"H100 NVL", 835e12),
    (r"H100", 756e12),  # PCIe
    (r"A100", 312e12),
    (r"L40S", 362e12),
    (r"L4\b", 121e12),
    (r"A10G?\b", 125e12),
    (r"RTX 4090", 165e12),
    (r"V100", 125e12),  # float16
    (r"T4\b", 65e12),  # float16
    (r"TPU v6", 918e12),
    (r"TPU v5 lite|TPU v5e", 197e12),
    (r"TPU v5", 459e12),
    (r"TPU v4", 275e12),
    (r"TPU v3", 61.5e12),  # per core
)


def peak_flops(devices: list[Any]) -> float | None:
    """Peak FLOP/s of all these devices together, or None if it is unknown."""
    for pattern, peak in PEAKS:
        if re.search(pattern, devices[0].device_kind):
            return peak * len(devices)
    return None


def step_flops(function: Any, *arguments: Any) -> float:
    """FLOPs of one call of a jitted function; the function is not traced again when it is called."""
    return count_flops(function.trace(*arguments).jaxpr.jaxpr)


def count_flops(jaxpr: Any) -> float:
    """FLOPs of a traced program, loops included; a `while` loop, whose length is unknown, counts as one iteration."""
    total = 0.0
    for equation in jaxpr.eqns:
        parameters = equation.params
        match equation.primitive.name:
            case "dot_general":
                (contracted, _), _ = parameters["dimension_numbers"]
                depth = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
                total += 2 * depth * math.prod(equation.outvars[0].aval.shape)
            case "conv_general_dilated":
                kernel = equation.invars[1].aval.shape
                output_axis = parameters["dimension_numbers"].rhs_spec[0]
                # Each output is a sum over the window and the inputs of its group.
                depth = math.prod(kernel) // kernel[output_axis]
                # Gradients are convolutions of a dilated input, whose zeros cost nothing.
                spread = math.prod(parameters["lhs_dilation"])
                total += 2 * depth * math.prod(equation.outvars[0].aval.shape) / spread
            case "scan":
                total += parameters["length"] * count_flops(parameters["jaxpr"].jaxpr)
            case "cond":
                total += max(count_flops(branch.jaxpr) for branch in parameters["branches"])
            case "shard_map":
                total += parameters["mesh"].size * count_flops(_inner(parameters["jaxpr"]))
            case "pallas_call":
                pass  # beside each kernel stands a portable branch, which is counted
            case _:
                total += sum(count_flops(inner) for inner in _inner_programs(parameters))
    return total


def _inner_programs(parameters: dict[str, Any]) -> Iterator[Any]:
    for value in parameters.values():
        if isinstance(value, core.Jaxpr | core.ClosedJaxpr):
            yield _inner(value)


def _inner(program: Any) -> Any:
    return program.jaxpr if isinstance(program, core.ClosedJaxpr) else program


def in_flops(flops: float) -> str:
    """Formats FLOP/s, as in "41 GFLOP/s"."""
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G")):
        if flops >= size:
            return f"{flops / size:.3g} {letter}FLOP/s"
    return f"{flops / 1e6:.3g} MFLOP/s"
