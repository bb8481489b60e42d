"""Predicts how much of the communication runs beside computation, from the order in which a device starts its kernels.

A collective that is split into a start and an end runs beside the kernels between the two. XLA writes the instructions
of a scheduled program in the order in which they start.
"""

import re

from jaxspeech.targets.hardware import Hardware
from jaxspeech.targets.hlo import Computation, Program
from jaxspeech.targets.roofline import FREE, communicates, estimate, predict_kernel, trip_count


def overlapped(program: Program, hardware: Hardware) -> float:
    """Seconds of communication during which the device also computes.

    Args:
      program: for one device, scheduled.
      hardware: the device.
    """
    return _overlapped(program.entry, program, hardware)


def _overlapped(computation: Computation, program: Program, hardware: Hardware) -> float:
    total = 0.0
    running: dict[str, float] = {}  # collectives that have started -> seconds that they still need
    for instruction in computation.instructions.values():
        opcode = instruction.opcode
        if opcode in FREE:
            continue
        if opcode.endswith("-done"):
            for operand in instruction.operands:
                running.pop(operand, None)
            continue
        if opcode == "while":
            runs = trip_count(instruction, program) or 1.0
            [body] = (program.computations[name] for name in instruction.called("body"))
            total += runs * _overlapped(body, program, hardware)
            seconds = runs * estimate(Program(body, program.computations), hardware).seconds if running else 0.0
        elif communicates(opcode):
            if opcode.endswith("-start"):
                running[instruction.name] = predict_kernel(instruction, computation, 1.0, program, hardware).seconds
            continue
        elif re.search(r"\b(calls|to_apply|branch_computations)=", instruction.attributes) and opcode != "fusion":
            continue  # of these, few are long
        else:
            seconds = predict_kernel(instruction, computation, 1.0, program, hardware).seconds if running else 0.0
        # Links are shared: the collectives run one after another.
        for name in list(running):
            beside = min(seconds, running[name])
            total, seconds = total + beside, seconds - beside
            running[name] -= beside
    return total
