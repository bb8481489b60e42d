"""Summarises a run: its results in one line, and the facts at the top of its page."""

from collections.abc import Mapping
from pathlib import Path

from jax.sharding import Mesh

from jaxspeech.data.run_data import RunData
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.training.progress import in_minutes
from jaxspeech.training.record import Record


def last_line(
    model: Path, data: RunData, evaluation: Evaluation, record: Record, totals: Mapping[str, float], *, infeasible: str
) -> str:
    """Formats the last line of a run: the result, the model's file, the time, and what went wrong.

    Args:
      model: the file of the best model.
      data: what it was trained and evaluated on.
      evaluation: formats its scores.
      record: of the last checkpoint.
      totals: sums over all steps, as `Progress` has them.
      infeasible: describes an example from which nothing can be learned, as in `Job`.
    """
    counts = {
        "unusable examples": data.num_problems,
        f"times {infeasible}": totals["infeasible"],
        "updates skipped (gradient not finite)": totals["skipped"],
    }
    best = "" if record.best is None else f"{evaluation.show(record.best)} on {next(iter(data.eval))}, "
    troubles = "".join(f", {count:.0f} {what}" for what, count in counts.items() if count)
    return f"Done: {best}{model} (step {record.best_step}), {in_minutes(record.seconds)}{troubles}"


def facts(record: Record, evaluation: Evaluation, *, step: int, millions: float, mesh: Mesh) -> dict[str, str]:
    """The facts at the top of a run's page.

    Args:
      record: of the last checkpoint.
      evaluation: formats its scores.
      step: the last one.
      millions: of parameters.
      mesh: the devices.
    """
    best = "" if record.best is None else f" ({evaluation.show(record.best)})"
    return {
        **{name: evaluation.show(scores) for name, scores in record.scores.items()},
        "model.jaxspeech": f"step {record.best_step} of {step}" + best,
        "time": in_minutes(record.seconds),
        "parameters": f"{millions:.1f} M",
        "devices": devices_of(mesh),
    }


def devices_of(mesh: Mesh) -> str:
    """Describes the devices: how many, and of which kind."""
    return f"{mesh.size} x {mesh.devices.flat[0].device_kind}"
