"""Reports what a training step needs, on the devices that are here or on those of a target; no step runs."""

from typing import Any, NamedTuple

from jax.sharding import Mesh

from jaxspeech.targets.target import Target
from jaxspeech.targets.training_plan import report_training, report_variant
from jaxspeech.training.memory import report_memory


class DryRun(NamedTuple):
    """What to report.

    Attributes:
      target: the devices to compile for; None: those that are here, and their memory only.
      variant: how the recipe was changed, for a single line about the largest batch; "" for a full report.
    """

    target: Target | None = None
    variant: str = ""


def report_dry_run(train_step: Any, state: Any, data: Any, *, num_steps: int, mesh: Mesh, what: DryRun) -> int:
    """Compiles the step for each batch shape and prints the memory it needs; for a target also the predicted time.

    Args:
      train_step: jitted.
      state: shapes with shardings.
      data: the data to train on, with `batch_shapes` and `steps_per_epoch`.
      num_steps: of the run.
      mesh: the devices.
      what: to report.

    Returns:
      The exit status: 0 if every step fits into the memory, else 1.
    """
    if what.target is None or not what.target.hardware.has_speed:
        return report_memory(train_step, state, data.batch_shapes, mesh=mesh)
    if what.variant:
        return report_variant(train_step, state, data.batch_shapes, mesh=mesh, target=what.target, name=what.variant)
    of_run = {"num_steps": num_steps, "steps_per_epoch": data.steps_per_epoch}
    return report_training(train_step, state, data.batch_shapes, mesh=mesh, target=what.target, **of_run)
