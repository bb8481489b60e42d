"""Counts the operations of XLA instructions: of matrix products and convolutions, and of everything else."""

import math
import re

from jaxspeech.targets.hlo import Computation, Instruction

# Instructions that only move numbers.
_MOVING = {
    *("parameter", "constant", "bitcast", "tuple", "get-tuple-element", "copy", "transpose", "reshape", "broadcast"),
    *("slice", "dynamic-slice", "dynamic-update-slice", "concatenate", "pad", "gather", "iota", "reverse", "fusion"),
    *("dot", "convolution"),
}

# In an instruction's text, a quotation mark within a string is \22.
_SAID = re.compile(r"\\22(flops|operations)\\22: \\22(\d+)\\22")
_SAID_ON_TPU = re.compile(r'"cost_estimate":\{"flops":"(\d+)","transcendentals":"(\d+)"')
# A TPU kernel says how many exponentials it has: in attention, some 40 operations for each shift scores and weigh.
OPERATIONS = 40


def product_flops(instruction: Instruction, computation: Computation) -> float:
    """FLOPs of a matrix product, a convolution, or a kernel that says how many it has; 0 for any other instruction."""
    if said := kernel_counts(instruction):
        return said["flops"]
    if instruction.opcode == "dot" or (instruction.opcode == "custom-call" and "cublas" in instruction.attributes):
        left = computation.instructions[instruction.operands[0]].shape
        depth = math.prod(left.dims[axis] for axis in _contracted(instruction))
        return 2.0 * depth * instruction.shape.elements
    if instruction.opcode in ("convolution", "custom-call"):
        return _convolution_flops(instruction, computation)
    return 0.0


def _convolution_flops(instruction: Instruction, computation: Computation) -> float:
    """FLOPs of a convolution, or of a call of cuDNN for one or for its gradients; 0 for any other call.

    The labels of cuDNN's gradients are those of the convolution y = x * k that they belong to. By the input there are
    two operands, dy and k, and the result is dx; by the kernel they are x and dy, and the result is dk. All three have
    the same products: for each element of y one with each weight of an output channel.
    """
    labels = re.search(r"dim_labels=\w+_(\w+)->", instruction.attributes)
    if labels is None:
        return 0.0
    first, second = (computation.instructions[name].shape for name in instruction.operands[:2])
    outputs, kernel = instruction.shape, second
    if "convBackwardInput" in instruction.attributes:
        outputs = first
    elif "convBackwardFilter" in instruction.attributes:
        outputs, kernel = second, instruction.shape
    depth = math.prod(size for size, label in zip(kernel.dims, labels[1], strict=False) if label != "o")
    # Zeros between the inputs cost nothing: they stand for strides in gradients, and for batches of products on TPUs.
    spread = re.search(r"lhs_dilate=([\dx]+)", instruction.attributes)
    return 2.0 * depth * outputs.elements / math.prod(map(int, spread[1].split("x")) if spread else ())


def kernel_counts(instruction: Instruction) -> dict[str, float]:
    """What one of our kernels says of itself: "flops" of its products, and other "operations"; else nothing."""
    if said := _SAID_ON_TPU.search(instruction.attributes):
        return {"flops": float(said[1]), "operations": float(said[2]) * OPERATIONS}
    if "xla.gpu.triton" not in instruction.attributes:
        return {}
    return {name: float(number) for name, number in _SAID.findall(instruction.attributes)}


def _contracted(product: Instruction) -> tuple[int, ...]:
    """The left operand's axes that a product sums over; a call of cuBLAS has them in its settings."""
    found = re.search(r'"lhs_contracting_dimensions":\[([^\]]*)\]', product.attributes)
    return tuple(map(int, re.findall(r"\d+", found[1]))) if found else product.numbers("lhs_contracting_dims")


def other_operations(computation: Computation) -> float:
    """Operations of a fusion outside its products: one for each element of each instruction's result or operand."""
    total = 0.0
    for instruction in computation.instructions.values():
        if instruction.opcode == "reduce":
            total += computation.instructions[instruction.operands[0]].shape.elements
        elif instruction.opcode not in _MOVING:
            total += instruction.shape.elements
    return total
