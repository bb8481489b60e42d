"""Reports what a training step needs, on the devices that are here or on those of a target; no step runs."""

from typing import Any

from jax.sharding import Mesh

from jaxspeech.targets.target import Target
from jaxspeech.targets.training_plan import report_training
from jaxspeech.training.memory import report_memory


def report_dry_run(train_step: Any, state: Any, data: Any, *, num_steps: int, mesh: Mesh, target: Target | None) -> int:
    """Compiles the step for each batch shape and prints the memory it needs; for a target also the predicted time.

    Args:
      train_step: jitted.
      state: shapes with shardings.
      data: the data to train on, with `batch_shapes` and `steps_per_epoch`.
      num_steps: of the run.
      mesh: the devices.
      target: what they are, if they are not here.

    Returns:
      The exit status: 0 if every step fits into the memory, else 1.
    """
    if target is None:
        return report_memory(train_step, state, data.batch_shapes, mesh=mesh)
    of_run = {"num_steps": num_steps, "steps_per_epoch": data.steps_per_epoch}
    return report_training(train_step, state, data.batch_shapes, mesh=mesh, target=target, **of_run)
