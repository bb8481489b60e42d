"""Plans a training run for a target: memory by kind, the largest batch, and the time of a step and of the run."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxspeech.targets.compiled import Compiled, compile_for
from jaxspeech.targets.target import Target
from jaxspeech.targets.wording import GB, slowest_kernels
from jaxspeech.training.flops import step_flops
from jaxspeech.training.memory import FILLED, WAITING
from jaxspeech.types import BatchShape


class Step(NamedTuple):
    """A training step for one batch shape.

    Attributes:
      shape: of the batch, over all devices.
      batch: bytes of the batches that a device holds.
      program: compiled, for one device.
      flops: of the step's products, over all devices.
    """

    shape: BatchShape
    batch: float
    program: Compiled
    flops: float

    @property
    def memory(self) -> float:
        """Bytes that a device needs."""
        return self.program.memory + self.batch


def plan_training(
    train_step: Any, state: Any, shapes: Sequence[BatchShape], *, mesh: Mesh, target: Target
) -> list[Step]:
    """Compiles the step for each batch shape.

    Args:
      train_step: jitted.
      state: shapes with shardings over the target's devices.
      shapes: of the batches.
      mesh: of the target's devices.
      target: the devices.
    """
    split = NamedSharding(mesh, P("data"))
    steps = []
    for shape in shapes:
        batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=split), shape.arrays)
        program = compile_for(target, train_step, state, batch, 0)
        size = sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(batch)) / mesh.shape["data"]
        # One of the batches is among the program's arguments.
        steps.append(Step(shape, (WAITING - 1) * size, program, step_flops(train_step, state, batch, 0)))
    return steps


def state_bytes(state: Any) -> dict[str, float]:
    """Bytes of a training state that one device holds, by kind."""

    def held(tree: Any) -> float:
        return sum(math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize for x in jax.tree.leaves(tree))

    parts = {"parameters": state.variables, "optimizer": state.opt_state, "average": state.average}
    return {name: size for name, tree in parts.items() if (size := held(tree))}


def largest_rows(step: Step, fixed: float, *, capacity: float, devices: int) -> int:
    """About how many rows of this length fit: what a row takes grows linearly, `fixed` bytes do not grow."""
    rows = step.shape.rows / devices
    a_row = (step.memory - fixed) / rows
    return max(0, int((FILLED * capacity - fixed) / a_row)) * devices


def describe_training(
    steps: Sequence[Step], state: Any, *, mesh: Mesh, target: Target, num_steps: int, steps_per_epoch: int
) -> str:
    """Formats the plan.

    Args:
      steps: from `plan_training`.
      state: as it was planned with.
      mesh: of the target's devices.
      target: the devices.
      num_steps: of the run.
      steps_per_epoch: of its data.
    """
    hardware, kinds = target.hardware, state_bytes(state)
    fixed = sum(kinds.values())
    capacity, peak = hardware.memory, hardware.matrix_flops * mesh.size
    held = ", ".join(f"{name} {size / GB:.2f}" for name, size in kinds.items())
    lines = [
        f"{target.name}: {mesh.size} x {hardware.name}, {capacity / GB:.0f} GB each; state of a device in GB: {held}",
        f"{'batch':>18}  {'GB a device':>11}  {'temporaries':>11}  {'TFLOP':>7}  {'GB moved':>8}  {'GB sent':>7}  "
        f"{'kernels':>7}  {'step':>9}  {'MFU':>5}",
    ]
    seconds = []
    for step in steps:
        found = step.program.estimate
        seconds.append(found.seconds)
        lines.append(
            f"{step.shape!s:>18}  {step.memory / GB:11.2f}  {step.program.temporaries / GB:11.2f}  "
            f"{step.flops / mesh.size / 1e12:7.2f}  {found.bytes / GB:8.1f}  {found.sent / GB:7.2f}  "
            f"{found.launches:7.0f}  {1e3 * found.seconds:6.1f} ms  {step.flops / peak / found.seconds:5.0%}"
        )
    largest = max(steps, key=lambda step: step.memory)
    fits = largest.memory <= FILLED * capacity
    rows = largest_rows(largest, fixed, capacity=capacity, devices=mesh.shape["data"])
    lines.append(
        f"The largest step takes {largest.memory / GB:.2f} of {capacity / GB:.0f} GB a device: "
        + ("fits" if fits else "does not fit: lower data.batch_seconds, or set encoder.remat, sharding or dtype")
        + f"; about {rows} rows of {largest.shape.size:g} {largest.shape.unit} fit"
    )
    hours = num_steps * sum(seconds) / len(seconds) / 3600
    lines.append(
        f"{num_steps} steps ({num_steps / max(steps_per_epoch, 1):.3g} epochs) take about {hours:.2g} h, if all "
        "shapes are equally frequent and input keeps up"
    )
    slowest = max(steps, key=lambda step: step.program.estimate.seconds).program
    if mesh.size > 1:
        lines.append(
            f"Communication takes {1e3 * slowest.estimate.communication:.1f} ms of the longest step; for "
            f"{1e3 * slowest.overlapped:.1f} ms of it the device also computes, which the times above leave out"
        )
    lines.append(slowest_kernels(slowest.estimate))
    return "\n".join(lines)


def report_training(
    train_step: Any,
    state: Any,
    shapes: Sequence[BatchShape],
    *,
    mesh: Mesh,
    target: Target,
    num_steps: int,
    steps_per_epoch: int,
) -> int:
    """Prints the plan; returns the exit status: 0 if every step fits, else 1."""
    steps = plan_training(train_step, state, shapes, mesh=mesh, target=target)
    known = {"num_steps": num_steps, "steps_per_epoch": steps_per_epoch}
    print(describe_training(steps, state, mesh=mesh, target=target, **known), flush=True)
    return 0 if max(step.memory for step in steps) <= FILLED * target.hardware.memory else 1


def report_variant(
    train_step: Any, state: Any, shapes: Sequence[BatchShape], *, mesh: Mesh, target: Target, name: str
) -> int:
    """Prints a line about the step of a changed recipe for its largest batch; returns 0 if it fits, else 1."""
    largest = max(shapes, key=lambda shape: (shape.total, shape.size, shape.labels))
    [step] = plan_training(train_step, state, [largest], mesh=mesh, target=target)
    fits, seconds = step.memory <= FILLED * target.hardware.memory, step.program.estimate.seconds
    print(
        f"{name:>36}  {step.shape!s:>14}  {step.memory / GB:7.2f} GB  {'fits' if fits else 'does not fit':>12}  "
        f"{1e3 * seconds:7.1f} ms  {step.shape.rows * step.shape.size / seconds:9,.0f} {step.shape.unit} a second",
        flush=True,
    )
    return 0 if fits else 1
