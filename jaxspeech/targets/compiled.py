"""Compiles a program for a target, and collects what its users ask: memory, operations, kernels and time."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxspeech.targets.hlo import parse
from jaxspeech.targets.overlap import overlapped
from jaxspeech.targets.roofline import Estimate, estimate
from jaxspeech.targets.target import Target


class Compiled(NamedTuple):
    """A program for one device of a target.

    Attributes:
      arguments, results, temporaries: bytes of memory; results without those that reuse an argument's memory.
      estimate: its kernels, and the prediction of their time.
      overlapped: seconds of its communication during which it also computes (see `targets.overlap`).
      text: of the optimized program.
      traced_s, compiled_s: seconds that tracing and lowering, and compiling took on this machine.
    """

    arguments: int
    results: int
    temporaries: int
    estimate: Estimate
    overlapped: float
    text: str
    traced_s: float
    compiled_s: float

    @property
    def memory(self) -> int:
        """Bytes that a device needs in total."""
        return self.arguments + self.results + self.temporaries

    @property
    def copies(self) -> int:
        """Kernels that only copy or transpose an array, loops counted once."""
        return sum(kernel.kind.removesuffix("-start") in ("copy", "transpose") for kernel in self.estimate.kernels)


def compile_for(
    target: Target, function: Any, *arguments: Any, trips: float | int | Sequence[float | int] = 1, **options: Any
) -> Compiled:
    """Compiles a jitted function.

    Args:
      target: the devices.
      function: jitted.
      arguments: shapes with shardings over the target's devices.
      trips: how often loops of unknown length run, see `roofline.estimate`.
    """
    started = time.perf_counter()
    lowered = function.lower(*arguments)
    traced = time.perf_counter()
    compiled = lowered.compile()
    done = time.perf_counter()
    memory, text = compiled.memory_analysis(), compiled.as_text()
    program = parse(text)
    return Compiled(
        arguments=memory.argument_size_in_bytes,
        results=memory.output_size_in_bytes - memory.alias_size_in_bytes,
        temporaries=memory.temp_size_in_bytes + memory.generated_code_size_in_bytes,
        estimate=estimate(program, target.hardware, trips=trips),
        overlapped=overlapped(program, target.hardware),
        text=text,
        traced_s=traced - started,
        compiled_s=done - traced,
    )
