"""Saves and restores the checkpoints of a run: in the background, atomically, with checksums, for the same model only.

Each checkpoint is a folder named by its step. It holds the state as an Orbax tree and, in the metadata, a JSON record
(the best score so far, the config, ...) with checksums of both. Orbax writes under a temporary name and renames, so if
the process is killed, the previous checkpoint stays intact. A checkpoint that cannot be read is renamed, and the
previous one is used.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from jaxspeech.errors import CheckpointError
from jaxspeech.files import replace_atomically
from jaxspeech.runtime.logs import silence_orbax
from jaxspeech.training.fingerprint import fingerprint
from jaxspeech.training.processes import is_leader, leader_first
from jaxspeech.training.resume_checks import check_same_arrays, shapes_by_path

silence_orbax()

Json = dict[str, Any]
SPARE_BYTES = 2**24  # for Orbax's own files, and for other programs that write at the same time
CHECKS = "checks"  # the record's key for the checksums
SCORES = "scores.json"
# The exceptions that Orbax, TensorStore and json raise for damaged files.
DAMAGE = (OSError, ValueError, KeyError, TypeError, RuntimeError)


class DamagedError(ValueError):
    """Raised when a checkpoint differs from what was saved."""


class Checkpoints:
    """The checkpoints in one folder: the most recent ones, and those with the lowest scores.

    Every method raises CheckpointError, one line that says what could not be written or read, and why.

    Args:
      folder: holds the checkpoints; created if missing.
      keep_last: the number of most recent checkpoints to keep.
      keep_best: the number of checkpoints with the lowest scores to keep in addition.
      report: called with a line for each checkpoint that is set aside.
      only_read: changes nothing in the folder, because a run may be writing to it.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        keep_last: int = 2,
        keep_best: int = 1,
        report: Callable[[str], Any] = print,
        only_read: bool = False,
    ):
        self.folder = Path(folder).resolve()
        self._report = report
        if keep_last < 1 or keep_best < 0:
            raise CheckpointError(f"keep.last is {keep_last}, keep.best {keep_best}; they must be at least 1 and 0")
        self._keep = _Keep(keep_last, keep_best, self._read_scores())
        with self._one_line("keep checkpoints"):
            # Remove what a killed process left half written. Orbax could do so, but in a thread that outlives us.
            for half in self.folder.glob("*.orbax-checkpoint-tmp") if is_leader() and not only_read else ():
                shutil.rmtree(half)
            policy: Any = self._keep
            self._checkpointer = ocp.training.Checkpointer(str(self.folder), preservation_policy=policy)

    @property
    def latest(self) -> int | None:
        """The step of the last complete checkpoint, or None."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    @property
    def steps(self) -> list[int]:
        """The steps of all complete checkpoints, ascending."""
        return sorted(checkpoint.step for checkpoint in self._checkpointer.checkpoints)

    def save(self, step: int, state: Any, *, record: Json, score: float | None = None) -> None:
        """Saves `state` and the JSON `record`; a step that is already saved is left as it is.

        Returns as soon as the state is copied, so that it may be donated. An error in the background is raised by the
        next save, wait or close. `score` is the result of an evaluation at this step; lower is better.
        """
        if step == self.latest:
            return
        # Raised before Orbax's writer threads run out of space one by one, each with its own traceback.
        needed, free = SPARE_BYTES + sum(x.nbytes for x in jax.tree.leaves(state)), shutil.disk_usage(self.folder).free
        if free < needed:
            raise CheckpointError(
                f"cannot save step {step} in {self.folder}: no space left on the disk ({needed / 1e6:.0f} MB needed, "
                f"{free / 1e6:.0f} MB free); {self._disk_advice()}"
            )
        shapes = shapes_by_path(state)
        checks = {"record": _digest(record), "shapes": _digest(shapes), "state": fingerprint(state)}
        with self._one_line(f"save step {step}"):
            if score is not None:
                self._keep.scores[step] = score
                if is_leader():
                    self._write_scores()
            self._checkpointer.save_checkpointables_async(
                step, {"state": state}, force=True, custom_metadata={**record, CHECKS: checks}
            )

    def wait(self) -> None:
        """Waits until everything is written."""
        with self._one_line("save"):
            self._checkpointer.wait()

    def close(self) -> None:
        """Waits until everything is written, then releases the folder."""
        with self._one_line("save"):
            self._checkpointer.close()

    def restore(self, abstract_state: Any, *, check: Callable[[Json], None] = lambda record: None) -> tuple[Any, Json]:
        """Returns the state and the record of the last checkpoint that can be read; sets aside those that cannot.

        Args:
          abstract_state: each array's shape, dtype and sharding (jax.ShapeDtypeStruct).
          check: called with the record before the state is read; raises if the run cannot resume from it.

        Raises:
          CheckpointError: no checkpoint can be read, or the saved state has different arrays.
        """
        aside = []
        while (step := self.latest) is not None:
            try:
                return self._read(step, abstract_state, check)
            except DamagedError as error:
                aside.append(self._set_aside(step, str(error)))
        raise CheckpointError(
            f"no checkpoint in {self.folder} can be read: all are set aside ({', '.join(aside)}); delete that folder, "
            "or choose another --workdir, to start from scratch"
        )

    def read(self, step: int) -> Any:
        """Reads the whole state of a step onto one device, as nested dicts and lists of the saved arrays."""
        place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        with self._one_line(f"read step {step}"):
            metadata: Any = self._checkpointer.checkpointables_metadata(step)
            abstract = jax.tree.map(
                lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), metadata.metadata["state"]
            )
            return self._read(step, abstract, lambda record: None)[0]

    def _read(self, step: int, abstract_state: Any, check: Callable[[Json], None]) -> tuple[Any, Json]:
        try:
            metadata: Any = self._checkpointer.checkpointables_metadata(step)
            record, saved = dict(metadata.custom_metadata), shapes_by_path(metadata.metadata["state"])
        except DAMAGE as error:
            raise DamagedError(_short(error)) from error
        checks = record.pop(CHECKS, {})
        # If files are damaged, Orbax often returns less instead of raising.
        if not (record or checks) or (checks and checks["record"] != _digest(record)):
            raise DamagedError("its record is not the one that was saved")
        if not saved or (checks and checks["shapes"] != _digest(saved)):
            raise DamagedError("its list of arrays is not the one that was saved")
        check(record)
        check_same_arrays(saved, shapes_by_path(abstract_state), folder=self.folder)
        try:
            state = self._checkpointer.load_checkpointables(step, {"state": abstract_state})["state"]
        except DAMAGE as error:  # Orbax's message is about its handlers
            raise DamagedError("its arrays cannot be read") from error
        if checks and fingerprint(state) != checks["state"]:
            raise DamagedError("its arrays are not those that were saved")  # older checkpoints have no checksums
        return state, record

    def _set_aside(self, step: int, reason: str) -> str:
        """Renames the checkpoint of a step, reports it, and returns the new name."""
        folder = self.folder / str(step)
        name = f"{step}.damaged"
        with self._one_line(f"set aside step {step}"):
            with leader_first(name):
                if is_leader():
                    shutil.rmtree(self.folder / name, ignore_errors=True)
                    os.replace(folder, self.folder / name)
            self._checkpointer.reload()
        before = "there is none before it" if self.latest is None else f"going back to step {self.latest}"
        self._report(f"{folder} cannot be read ({reason}): set aside as {name}; {before}")
        return name

    def _read_scores(self) -> dict[int, float]:
        """The scores by step; if the file cannot be read, only the choice of the best checkpoints is lost."""
        try:
            return {int(step): float(score) for step, score in json.loads((self.folder / SCORES).read_bytes()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            self._report(f"{self.folder / SCORES} cannot be read ({_short(error)}): checkpoints so far have no score")
            return {}

    def _write_scores(self) -> None:
        with replace_atomically(self.folder / SCORES) as temporary:
            temporary.write_text(json.dumps(self._keep.scores), encoding="utf-8")

    @contextlib.contextmanager
    def _one_line(self, action: str) -> Iterator[None]:
        """Turns what Orbax and TensorStore raise (often ValueError with the system's reason inside) into one line."""
        try:
            yield
        except (OSError, ValueError, KeyError) as error:
            full = "No space left" in str(error)
            reason = f"no space left on the disk; {self._disk_advice()}" if full else _short(error)
            raise CheckpointError(f"cannot {action} in {self.folder}: {reason}") from error

    def _disk_advice(self) -> str:
        """What to do when the disk is full; all checkpoints so far are complete, whatever could not be written."""
        steps = [int(folder.name) for folder in self.folder.glob("*") if folder.name.isdecimal()]
        kept = f"the checkpoint of step {max(steps)} is complete" if steps else "there is no checkpoint yet"
        return f"free some space and start again: {kept}"


class _Keep:
    """Orbax's preservation policy: keeps the last checkpoints, and the best by their scores."""

    def __init__(self, last: int, best: int, scores: dict[int, float]):
        self.last, self.best, self.scores = last, best, scores

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        del context
        steps = [checkpoint.step for checkpoint in checkpoints]
        scored = sorted((step for step in steps if step in self.scores), key=lambda step: self.scores[step])
        kept = {*steps[-self.last :], *scored[: self.best]}
        return [step in kept for step in steps]


def _digest(record: Json) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _short(error: BaseException) -> str:
    return re.sub(r"\s+", " ", str(error))[:300] or type(error).__name__
