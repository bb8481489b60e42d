"""The last words of a run: its results in a line and on its page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from jaxspeech.data.run_data import RunData
from jaxspeech.training.progress import in_minutes


def conclusion(model: Path, data: RunData, record: Mapping[str, Any], totals: Mapping[str, float]) -> str:
    """The last line: the result, where it is, the time, and what went wrong on the way.

    Args:
      model: the file of the best model.
      data: what it was trained and evaluated on.
      record: what the last checkpoint says beside the state.
      totals: sums over all steps, as `Progress` has them.
    """
    counts = {
        "unusable utterances": data.num_problems,
        "times a transcript too long for its audio": totals["infeasible"],
        "updates skipped (gradient not finite)": totals["skipped"],
    }
    best = "" if record["best"] is None else f"WER {record['best']:.2%} on {next(iter(data.eval))}, "
    troubles = "".join(f", {count:.0f} {what}" for what, count in counts.items() if count)
    return f"Done: {best}{model} (step {record['best_step']}), {in_minutes(record['seconds'])}{troubles}"


def facts(record: Mapping[str, Any], *, step: int, millions: float, mesh: Mesh) -> dict[str, str]:
    """What the page of a run begins with.

    Args:
      record: what the last checkpoint says beside the state.
      step: the last one.
      millions: of parameters.
      mesh: the devices.
    """
    best = "" if record["best"] is None else f" ({record['best']:.2%})"
    return {
        **{f"WER on {name}": f"{rate:.2%}" for name, rate in record["wer"].items()},
        "model.jaxspeech": f"step {record['best_step']} of {step}" + best,
        "time": in_minutes(record["seconds"]),
        "parameters": f"{millions:.1f} M",
        "devices": devices_of(mesh),
    }


def devices_of(mesh: Mesh) -> str:
    """How many, and of which kind."""
    return f"{mesh.size} x {mesh.devices.flat[0].device_kind}"
