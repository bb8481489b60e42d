"""Reads the text of an optimized XLA program: its computations, and their instructions with shapes and operands."""

import math
import re
from functools import cached_property
from typing import NamedTuple

BYTES = {
    **dict.fromkeys(("pred", "s8", "u8", "f8e4m3fn", "f8e5m2", "f8e4m3b11fnuz"), 1),
    **dict.fromkeys(("bf16", "f16", "s16", "u16"), 2),
    **dict.fromkeys(("f32", "s32", "u32"), 4),
    **dict.fromkeys(("f64", "s64", "u64", "c64"), 8),
    **{"c128": 16, "s4": 0.5, "u4": 0.5},
}
_SHAPE = re.compile(r"\b([a-z]+[0-9]*[a-z0-9]*)\[([\d,]*)\](\{[^}]*\})?")
# In a TPU's layouts: memory on the chip, which moves nothing to or from the large memory.
_ON_CHIP = "S(1)"
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_NAME = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = ")


class Shape(NamedTuple):
    """An array's type; `on_chip` arrays are not in the device's large memory."""

    dtype: str
    dims: tuple[int, ...]
    on_chip: bool = False

    @property
    def elements(self) -> int:
        return math.prod(self.dims)

    @property
    def size(self) -> float:
        """Bytes that it takes, wherever it is."""
        return float(self.elements * BYTES.get(self.dtype, 0))

    @property
    def bytes(self) -> float:
        """Bytes that it takes in the large memory."""
        return 0.0 if self.on_chip else self.size


class Instruction:
    """One instruction.

    Attributes:
      name, opcode: as in the text.
      shapes: of the result; several for a tuple.
      operands: names of the instructions that it uses.
      attributes: the rest of its line.
      root: whether its value is that of the computation.
    """

    def __init__(self, name: str, text: str, *, root: bool):
        self.name, self.root = name, root
        result, rest = _until(text, " ")
        self.shapes = [
            Shape(dtype, tuple(map(int, filter(None, dims.split(",")))), _ON_CHIP in layout)
            for dtype, dims, layout in _SHAPE.findall(result)
        ]
        self.opcode, rest = rest.split("(", 1)
        inside, self.attributes = _until(rest, ")")
        self.operands = re.findall(r"%([\w.\-]+)", inside)
        self.inside = inside

    @property
    def shape(self) -> Shape:
        return self.shapes[0] if self.shapes else Shape("token", ())

    @property
    def bytes(self) -> float:
        """Bytes of the result."""
        return sum((shape.bytes for shape in self.shapes), 0.0)

    def called(self, attribute: str) -> list[str]:
        """Names of the computations in an attribute, such as `calls=%f` or `branch_computations={%a, %b}`."""
        found = re.search(rf"\b{attribute}=(\{{[^}}]*\}}|%?[\w.\-]+)", self.attributes)
        return re.findall(r"[\w.\-]+", found[1]) if found else []

    def numbers(self, attribute: str) -> tuple[int, ...]:
        """The numbers of an attribute, such as `lhs_contracting_dims={0,1}`."""
        found = re.search(rf"\b{attribute}=\{{([\d,]*)\}}", self.attributes)
        return tuple(map(int, filter(None, found[1].split(",")))) if found else ()

    @property
    def source(self) -> str:
        """The operation of the traced program that it comes from."""
        found = re.search(r'op_name="([^"]*)"', self.attributes)
        return found[1] if found else ""


class Computation:
    """A list of instructions, by name."""

    def __init__(self, name: str):
        self.name = name
        self.instructions: dict[str, Instruction] = {}

    @property
    def parameters(self) -> list[Instruction]:
        """In the order of their numbers."""
        found = [x for x in self.instructions.values() if x.opcode == "parameter"]
        return sorted(found, key=lambda x: int(x.inside))

    @property
    def root(self) -> Instruction:
        return next(x for x in self.instructions.values() if x.root)

    @cached_property
    def users(self) -> dict[str, list[Instruction]]:
        """Instruction -> those that use it."""
        users: dict[str, list[Instruction]] = {}
        for instruction in self.instructions.values():
            for operand in instruction.operands:
                users.setdefault(operand, []).append(instruction)
        return users


class Program(NamedTuple):
    """All computations of a module."""

    entry: Computation
    computations: dict[str, Computation]


def parse(text: str) -> Program:
    """Parses the text that `compiled.as_text()` returns."""
    computations: dict[str, Computation] = {}
    current = entry = None
    for line in text.splitlines():
        if opened := _COMPUTATION.match(line):
            current = computations[opened[2]] = Computation(opened[2])
            entry = current if opened[1] else entry
        elif current is not None and (named := _NAME.match(line)):
            current.instructions[named[2]] = Instruction(named[2], line[named.end() :], root=bool(named[1]))
        elif line.startswith("}"):
            current = None
    if entry is None:
        raise ValueError("no ENTRY computation in this text")
    return Program(entry, computations)


def _until(text: str, end: str) -> tuple[str, str]:
    """Splits at the first `end` outside of brackets; it is in neither part."""
    depth = 0
    for i, letter in enumerate(text):
        if letter == end and depth == 0:
            return text[:i], text[i + 1 :]
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
    return text, ""
