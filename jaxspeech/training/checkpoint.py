"""A run's checkpoints: saved in the background, complete or absent, and continued only by the same model.

Each is a folder named by its step: the state as an Orbax tree and, in its metadata, a JSON record (the best score so
far, the config, ...). Orbax writes under a temporary name and renames, so a killed process leaves the one before.
"""

import contextlib
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from jaxspeech.errors import CheckpointError

# Orbax logs the traceback of an error in every thread that it passes; it reaches us as an exception anyway.
logging.getLogger("absl").addFilter(lambda record: "/orbax/" not in record.pathname.replace("\\", "/"))

policies = ocp.training.preservation_policies
Json = dict[str, Any]
SPARE_BYTES = 2**24  # for Orbax's own files, and for whatever else writes meanwhile


class Checkpoints:
    """The checkpoints below one folder: the last `keep`, and the one with the lowest score.

    Every method raises CheckpointError, one line that says what could not be written or read, and why.

    Args:
      folder: where they are; made if missing.
      keep: how many of the last ones stay.
    """

    def __init__(self, folder: str | Path, *, keep: int = 2):
        self.folder = Path(folder).resolve()
        best = policies.BestN(
            get_metric_fn=lambda metrics: metrics["score"], reverse=True, n=1, keep_checkpoints_without_metrics=False
        )
        # Any: Orbax's own annotations of its policies do not agree with each other.
        preserve: Any = policies.AnyPreservationPolicy([policies.LatestN(keep), best])
        with self._one_line("keep checkpoints"):
            # What a killed process left half written. Orbax could remove it too, but in a thread that outlives us.
            for half in self.folder.glob("*.orbax-checkpoint-tmp"):
                shutil.rmtree(half)
            self._checkpointer = ocp.training.Checkpointer(str(self.folder), preservation_policy=preserve)

    @property
    def latest(self) -> int | None:
        """The step of the last complete checkpoint."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def save(self, step: int, state: Any, *, record: Json, score: float | None = None) -> None:
        """Saves `state` and the JSON `record`; a step that is already saved is left as it is.

        Returns when the state is copied, so that it may be donated. An error in the background is raised by the next
        save, wait or close. `score` (lower is better) is that of an evaluation at this step.
        """
        if step == self.latest:
            return
        # Told before Orbax's writers run out of room one by one, each with a traceback of its own.
        needed, free = SPARE_BYTES + sum(x.nbytes for x in jax.tree.leaves(state)), shutil.disk_usage(self.folder).free
        if free < needed:
            raise CheckpointError(
                f"cannot save step {step} in {self.folder}: no space left on the disk ({needed / 1e6:.0f} MB needed, "
                f"{free / 1e6:.0f} MB free); make room and start again: the last checkpoint is whole"
            )
        metrics: Json | None = None if score is None else {"score": score}
        with self._one_line(f"save step {step}"):
            self._checkpointer.save_checkpointables_async(
                step, {"state": state}, force=True, metrics=metrics, custom_metadata=record
            )

    def wait(self) -> None:
        """Returns when everything is written."""
        with self._one_line("save"):
            self._checkpointer.wait()

    def close(self) -> None:
        """Waits, then lets go of the folder."""
        with self._one_line("save"):
            self._checkpointer.close()

    def record(self) -> Json:
        """The JSON record of the latest checkpoint."""
        with self._one_line(
            f"read step {self.latest}", remedy="delete that step's folder to go on from an earlier one"
        ):
            saved: Any = self._checkpointer.checkpointables_metadata().custom_metadata
            return saved

    def restore(self, abstract_state: Any) -> Any:
        """The latest state; `abstract_state` gives each array's shape, dtype and sharding (jax.ShapeDtypeStruct)."""
        with self._one_line(
            f"read step {self.latest}", remedy="delete that step's folder to go on from an earlier one"
        ):
            return self._checkpointer.load_checkpointables(None, {"state": abstract_state})["state"]

    @contextlib.contextmanager
    def _one_line(self, action: str, *, remedy: str = "") -> Iterator[None]:
        """Turns what Orbax and TensorStore raise (often ValueError with the system's reason inside) into one line."""
        try:
            yield
        except (OSError, ValueError, KeyError) as error:
            reason = str(error)
            if "No space left" in reason:
                reason, remedy = "no space left on the disk", "make room and start again: the last checkpoint is whole"
            else:
                reason = re.sub(r"\s+", " ", reason)[:300]
            ending = f"; {remedy}" if remedy else ""
            raise CheckpointError(f"cannot {action} in {self.folder}: {reason}{ending}") from error


def check_same_model(saved: Json, now: Json, *, folder: str | Path) -> None:
    """Raises CheckpointError, saying what differs, unless two configs have the same model and tokenizer."""
    changes = [
        change for part in ("model", "tokenizer") for change in _differences(saved.get(part), now.get(part), place=part)
    ]
    if changes:
        listed = "; ".join(changes[:3]) + (f"; and {len(changes) - 3} more" if len(changes) > 3 else "")
        raise CheckpointError(
            f"{folder} holds a run of another model: {listed}. Use its settings to go on, or another --workdir"
        )


def _differences(saved: Any, now: Any, *, place: str) -> Iterator[str]:
    if isinstance(saved, dict) and isinstance(now, dict):
        for key in sorted(saved.keys() | now.keys()):
            yield from _differences(saved.get(key, "absent"), now.get(key, "absent"), place=f"{place}.{key}")
    elif saved != now:
        yield f"{place} was {saved}, is now {now}"
