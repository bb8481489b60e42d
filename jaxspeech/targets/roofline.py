"""Predicts how long a program takes on a device: the sum over its kernels of

    max(product FLOPs / (peak x REACHED), other operations / vector peak, bytes / bandwidth, launch)

Bytes are those of a kernel's operands and results, each moved once: of what a kernel slices out of a large operand or
updates in place, only that part. Loops count as often as they run. Communication between devices is
bytes / link, and is taken to overlap with nothing. Caches are not modelled, so small programs are a little faster.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxspeech.targets.hardware import REACHED, REACHED_IN_KERNELS, Hardware
from jaxspeech.targets.hlo import Computation, Instruction, Program
from jaxspeech.targets.products import kernel_counts, other_operations, product_flops

# Instructions that no kernel is launched for.
FREE = {
    *("parameter", "constant", "bitcast", "tuple", "get-tuple-element", "after-all", "partition-id", "replica-id"),
    *("add-dependency", "opt-barrier", "domain", "get-dimension-size"),
}
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute", "ragged-all-to-all")
# Precisions in which float32 products are not rounded.
_EXACT = re.compile(r"operand_precision=\{[^}]*highest")


class Kernel(NamedTuple):
    """One kernel, or one communication.

    Attributes:
      name: of its instruction.
      kind: the instruction's opcode.
      source: the operation of the traced program that it comes from.
      times: how often it runs.
      flops: of matrix products and convolutions, each time.
      bytes: moved, each time; of a communication: sent by one device.
      seconds: each time.
    """

    name: str
    kind: str
    source: str
    times: float
    flops: float
    bytes: float
    seconds: float


class Estimate(NamedTuple):
    """The kernels of a program, and what they sum up to.

    Attributes:
      kernels: in the order of the program.
      open_loops: the number of its loops whose length is not known.
    """

    kernels: tuple[Kernel, ...]
    open_loops: int = 0

    @property
    def seconds(self) -> float:
        return sum(kernel.times * kernel.seconds for kernel in self.kernels)

    @property
    def flops(self) -> float:
        return sum(kernel.times * kernel.flops for kernel in self.kernels)

    @property
    def bytes(self) -> float:
        """Moved between the memory and the processor."""
        return sum(kernel.times * kernel.bytes for kernel in self.kernels if not communicates(kernel.kind))

    @property
    def sent(self) -> float:
        """Sent to other devices, in bytes."""
        return sum(kernel.times * kernel.bytes for kernel in self.kernels if communicates(kernel.kind))

    @property
    def launches(self) -> float:
        return sum(kernel.times for kernel in self.kernels)

    @property
    def communication(self) -> float:
        """Seconds of communication."""
        return sum(kernel.times * kernel.seconds for kernel in self.kernels if communicates(kernel.kind))

    def slowest(self, count: int) -> list[Kernel]:
        """The kernels that take longest in total."""
        return sorted(self.kernels, key=lambda kernel: -kernel.times * kernel.seconds)[:count]


def estimate(program: Program, hardware: Hardware, *, trips: float | int | Sequence[float | int] = 1) -> Estimate:
    """Estimates a program.

    Args:
      program: for one device.
      hardware: the device.
      trips: how often a loop runs whose number the compiler does not know (a search's, say). Of several numbers the
        second is that of such a loop within such a loop, and the last that of all further within.
    """
    by_depth = (float(trips),) if isinstance(trips, int | float) else tuple(map(float, trips))
    loops = [x for y in program.computations.values() for x in y.instructions.values() if x.opcode == "while"]
    unknown = sum(trip_count(loop, program) is None for loop in loops)
    return Estimate(tuple(_kernels(program.entry, 1.0, program, hardware, by_depth)), unknown)


def trip_count(loop: Instruction, program: Program) -> float | None:
    """How often a while loop runs; None if that depends on what it computes.

    A GPU's compiler states it. A TPU's does not, but there the loop of a scan still counts from 0 up to a constant.
    """
    if known := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.attributes):
        return float(known[1])
    [name] = loop.called("condition")
    condition = program.computations[name]
    test = condition.root
    limit = condition.instructions.get(test.operands[1]) if test.opcode == "compare" else None
    if limit is None or limit.opcode != "constant" or "direction=LT" not in test.attributes:
        return None
    return float(limit.inside)


def _kernels(
    computation: Computation,
    times: float,
    program: Program,
    hardware: Hardware,
    trips: tuple[float, ...],
) -> Iterator[Kernel]:
    for instruction in computation.instructions.values():
        opcode = instruction.opcode
        if opcode in FREE or opcode.endswith(("-done", "-update")):
            continue
        if opcode == "while":
            known = trip_count(instruction, program)
            runs = times * (trips[0] if known is None else known)
            within = (trips[1:] or trips) if known is None else trips
            # A loop of known length does not compute its condition.
            for name in instruction.called("body") + (instruction.called("condition") if known is None else []):
                yield from _kernels(program.computations[name], runs, program, hardware, within)
        elif opcode == "conditional":
            names = instruction.called("branch_computations") or [
                *instruction.called("true_computation"),
                *instruction.called("false_computation"),
            ]
            branches = [list(_kernels(program.computations[n], times, program, hardware, trips)) for n in names]
            yield from max(branches, key=lambda kernels: Estimate(tuple(kernels)).seconds)
        elif opcode in ("call", "async-start"):
            for name in instruction.called("to_apply") or instruction.called("calls"):
                yield from _kernels(program.computations[name], times, program, hardware, trips)
        else:
            yield predict_kernel(instruction, computation, times, program, hardware)


def predict_kernel(
    instruction: Instruction, computation: Computation, times: float, program: Program, hardware: Hardware
) -> Kernel:
    """Predicts a kernel, or a communication, that runs `times` times."""
    if communicates(instruction.opcode):
        sent = _sent(instruction, computation)
        return Kernel(instruction.name, instruction.opcode, instruction.source, times, 0, sent, sent / hardware.link)
    inner = [program.computations[name] for name in instruction.called("calls")]
    products = sum(_product_seconds(x, hardware) for x in inner) or _own_seconds(instruction, computation, hardware)
    flops = sum(product_flops(x, y) for y in inner for x in y.instructions.values())
    flops = flops or product_flops(instruction, computation)
    others = sum(other_operations(x) for x in inner) + kernel_counts(instruction).get("operations", 0.0)
    moved = _moved(instruction, computation, inner)
    seconds = max(products, others / hardware.vector_flops, moved / hardware.bandwidth, hardware.launch)
    return Kernel(instruction.name, instruction.opcode, instruction.source, times, flops, moved, seconds)


def _product_seconds(computation: Computation, hardware: Hardware) -> float:
    return sum((_own_seconds(x, computation, hardware) for x in computation.instructions.values()), 0.0)


def _own_seconds(instruction: Instruction, computation: Computation, hardware: Hardware) -> float:
    flops = product_flops(instruction, computation)
    if not flops:
        return 0.0
    if kernel_counts(instruction):
        return flops / (hardware.matrix_flops * REACHED_IN_KERNELS)
    operands = [computation.instructions[x].shape.dtype for x in instruction.operands[:2]]
    peak = hardware.matrix_flops
    if "f32" in operands:
        exact = _EXACT.search(instruction.attributes)
        peak = hardware.single_flops
        if exact:
            # A GPU computes them without its matrix units; a TPU in six products of bfloat16 parts.
            peak = hardware.vector_flops if hardware.platform == "cuda" else hardware.matrix_flops / 6
    elif all(dtype.startswith("f8") or dtype in ("s8", "u8") for dtype in operands):
        peak *= 2
    return flops / (peak * REACHED)


def _moved(instruction: Instruction, computation: Computation, inner: list[Computation]) -> float:
    """Bytes that a kernel reads and writes."""
    operands = [computation.instructions[name] for name in instruction.operands if name in computation.instructions]
    if instruction.opcode in ("dynamic-slice", "gather", "slice"):
        return 2 * instruction.bytes
    if instruction.opcode in ("dynamic-update-slice", "scatter"):
        return 2 * (operands[-1 if instruction.opcode == "scatter" else 1].bytes)
    if instruction.opcode in ("broadcast", "iota"):
        return instruction.bytes
    if instruction.opcode in ("copy-start", "slice-start"):  # only one of its results is new: the operands come first
        moved = instruction.shapes[len(operands)]
        on_chip = all(x.shape.on_chip for x in operands)
        return moved.bytes + (0.0 if on_chip else moved.size)
    if instruction.opcode == "custom-call":  # a library's workspace, an array of bytes, need not be moved
        arrays = [x for x in instruction.shapes if x.dtype != "s8"]
        return sum((x.bytes for x in arrays), sum((x.bytes for x in operands), 0.0))
    if not inner:
        return instruction.bytes + sum(x.bytes for x in operands)
    [body] = inner[:1]
    written, in_place = _written(body)
    read = sum(
        _read(parameter, operand, body)
        for parameter, operand in zip(body.parameters, operands, strict=False)
        if parameter.name not in in_place
    )
    return written + read


def _read(parameter: Instruction, operand: Instruction, body: Computation) -> float:
    """Bytes that a fusion reads of an operand: only what it slices out of it, if it does nothing else with it."""
    sliced, waiting = 0.0, [parameter]
    while waiting:
        array = waiting.pop()
        users = body.users.get(array.name, [])
        if not users:
            return operand.bytes
        for user in users:
            if user.opcode in ("bitcast", "reshape"):
                waiting.append(user)
            elif user.opcode in ("dynamic-slice", "slice", "gather") and user.operands[0] == array.name:
                sliced += user.bytes
            else:
                return operand.bytes
    return min(sliced, operand.bytes)


def _written(body: Computation) -> tuple[float, set[str]]:
    """Bytes that a fusion writes, and the parameters that it updates in place."""
    root = body.root
    results = [body.instructions[x] for x in root.operands] if root.opcode == "tuple" else [root]
    total, in_place = 0.0, set()
    for result in results:
        while result.opcode in ("bitcast", "copy") and result.operands[0] in body.instructions:
            result = body.instructions[result.operands[0]]
        if result.opcode in ("dynamic-update-slice", "scatter"):
            total += body.instructions[result.operands[1 if result.opcode == "dynamic-update-slice" else -1]].bytes
            target = body.instructions[result.operands[0]]
            while target.opcode == "bitcast":
                target = body.instructions[target.operands[0]]
            in_place |= {target.name}
        else:
            total += result.bytes
    return total, in_place


def communicates(opcode: str) -> bool:
    """Whether an instruction sends something to other devices."""
    return opcode.removesuffix("-start") in COLLECTIVES


def _sent(instruction: Instruction, computation: Computation) -> float:
    """Bytes that one of n devices sends, by the usual ring algorithms."""
    operands = [computation.instructions[name] for name in instruction.operands if name in computation.instructions]
    size = sum(shape.size for x in operands for shape in x.shapes)
    n = group_size(instruction)
    share = (n - 1) / n if n > 1 else 0.0
    match instruction.opcode.removesuffix("-start"):
        case "all-reduce":
            return 2 * size * share
        case "all-gather":
            return size * (n - 1)
        case "collective-permute":
            return size
        case _:
            return size * share


def group_size(instruction: Instruction) -> int:
    """The number of devices that take part in a collective; XLA writes its groups in one of three ways."""
    if found := re.search(r"replica_groups=mesh\[([^\]]*)\]\s*\{([^}]*)\}", instruction.attributes):
        sizes = dict(re.findall(r"'(\w+)'=(\d+)", found[1]))
        return math.prod(int(sizes[axis]) for axis in re.findall(r"'(\w+)'", found[2]))
    if found := re.search(r"replica_groups=\[(\d+),(\d+)\]", instruction.attributes):
        return int(found[2])
    if found := re.search(r"replica_groups=\{\{([\d,]+)\}", instruction.attributes):
        return len(found[1].split(","))
    return 1
