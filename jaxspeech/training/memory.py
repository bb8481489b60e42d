"""Checks whether a training step fits into the memory of a device, before the first step runs.

The step is compiled for each batch shape, and the compiler reports the memory that it will use: arguments (state and
batch), results and temporaries. The compiled programs are cached, so training does not compile them again.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxspeech.errors import ConfigError
from jaxspeech.runtime.platform import total_memory
from jaxspeech.types import BatchShape

# Batches that wait on the device while another one is being computed (data/prefetch.py).
WAITING = 3
# Share of the memory that may be used: allocators leave gaps.
FILLED = 0.9
MOST_TRIALS = 8


class Need(NamedTuple):
    """The memory that a step needs on each device.

    Attributes:
      shape: of the batch.
      bytes: in total, including the state.
    """

    shape: BatchShape
    bytes: int


def device_memory() -> int:
    """Memory of one device in bytes, the smallest over all processes; a CPU device has its share of the machine's."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        limit = int(stats["bytes_limit"])
    else:
        total = total_memory()
        if total is None:
            raise ConfigError("this system does not report its memory: set data.batch_seconds in the recipe")
        limit = total // jax.local_device_count()
    if jax.process_count() > 1:
        limit = int(multihost_utils.process_allgather(np.array(limit)).min())
    return limit


def step_need(train_step: Any, state: Any, shape: BatchShape, *, mesh: Mesh) -> Need:
    """The memory that `train_step(state, batch, seed)` needs for a batch shape; `state` is its arrays or shapes."""
    sharding = NamedSharding(mesh, P("data"))
    batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), shape.arrays)
    compiled = train_step.lower(state, batch, 0).compile()
    analysis = compiled.memory_analysis()
    step = analysis.argument_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    step += analysis.temp_size_in_bytes + analysis.generated_code_size_in_bytes
    batch_bytes = sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(shape.arrays))
    return Need(shape, int(step + WAITING * batch_bytes // mesh.shape["data"]))


def find_batch_seconds(
    need: Callable[[BatchShape], int], shapes: Callable[[float], Sequence[BatchShape]], *, limit: float
) -> float:
    """Finds the most seconds of audio, or of cost, per batch for which every batch shape stays within `limit` bytes.

    Memory grows linearly with the number of rows, so two trials show where the limit is reached; then every shape is
    tried, and the batches are made smaller until all fit.

    Args:
      need: batch shape -> bytes of a step.
      shapes: seconds per batch -> batch shapes, shortest rows first.
      limit: in bytes.

    Raises:
      ConfigError: even the smallest batch is too large.
    """
    smallest = shapes(0.0)[-1]
    rows = smallest.rows
    seconds = smallest.total
    least = need(smallest)
    if least > limit:
        raise ConfigError(
            f"a batch of {smallest} needs {least / 1e9:.2f} GB of the {limit / 1e9:.2f} GB "
            "that may be used: lower data.max_seconds, or use a smaller model, remat, or more devices"
        )
    doubled = shapes(2.01 * seconds)[-1]
    fixed = 0.0
    if doubled.rows > rows:
        a_row = max(1.0, (need(doubled) - least) / (doubled.rows - rows))
        fixed = min(least - a_row * rows, 0.9 * limit)  # parameters, moments, ...
        seconds *= (limit - fixed) / a_row / rows
    for _ in range(MOST_TRIALS):
        largest = max(need(shape) for shape in shapes(seconds))
        if largest <= limit:
            return round(seconds, 1)
        seconds *= 0.98 * (limit - fixed) / (largest - fixed)
    return round(smallest.total, 1)


def describe_needs(needs: Sequence[Need], *, limit: int) -> str:
    """Formats a line for each shape, and one that says whether all fit."""
    lines = [f"{need.shape!s:>18}  {need.bytes / 1e9:9.3f} GB  {need.bytes / limit:6.1%}" for need in needs]
    worst = max(need.bytes for need in needs)
    verdict = "fits" if worst <= FILLED * limit else "does not fit: lower data.batch_seconds, or 0 finds the most"
    return "\n".join([*lines, f"The largest step takes {worst / 1e9:.3f} of {limit / 1e9:.2f} GB a device: {verdict}"])


def most_batch_seconds(
    train_step: Any, state: Any, shapes: Callable[[float], Sequence[BatchShape]], *, mesh: Mesh, limit: float
) -> float:
    """Finds and prints the most seconds of audio per batch for which a step fits into the memory of the devices.

    Args:
      train_step: jitted.
      state: its arrays, or their shapes.
      shapes: seconds per batch -> batch shapes, shortest rows first.
      mesh: the devices.
      limit: memory of a device, in bytes.

    Raises:
      ConfigError: even the smallest batch is too large.
    """
    found = find_batch_seconds(
        lambda shape: step_need(train_step, state, shape, mesh=mesh).bytes, shapes, limit=FILLED * limit
    )
    print(f"data.batch_seconds = {found:g}: the most that fits, with the batch_size of the recipe", flush=True)
    return found


def report_memory(train_step: Any, state: Any, shapes: Sequence[BatchShape], *, mesh: Mesh) -> int:
    """Prints the memory that a step needs for these batch shapes; returns the exit status: 0 if all fit, else 1."""
    needs = [step_need(train_step, state, shape, mesh=mesh) for shape in shapes]
    limit = device_memory()
    print(describe_needs(needs, limit=limit))
    return 0 if max(need.bytes for need in needs) <= FILLED * limit else 1
