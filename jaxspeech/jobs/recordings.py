"""Reads the data of jobs whose examples are a manifest's recordings, each with a value for every column.

A recipe may have the part `mixing: {noise: manifest, speech_db: (5, 15), ...}`, see data/mixing.py: noise or other
talkers in the background of the recordings that are trained on. A task whose batches have `noisy_samples` learns to
find the clean ones: its evaluation sets are mixed too, the same way every time.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxspeech.assets import Assets
from jaxspeech.data.augment import parse_augment
from jaxspeech.data.capacity import check_capacity
from jaxspeech.data.code_switched import CodeSwitchedManifest
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.mixed import mixed_columns
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.mixing import parse_mixing
from jaxspeech.data.run_data import RunData, make_run_data, training_manifest
from jaxspeech.errors import ConfigError
from jaxspeech.jobs.job import NOTHING_LEARNED, Placement, Report, Settings
from jaxspeech.tasks.task import Task

NOISY = "noisy_samples"
# (manifest or other examples, assets, task) -> the columns besides the audio.
Columns = Callable[[Any, Assets, Task], Mapping[str, Column]]
# (manifest or other examples, assets, whether it is trained on, report)
Look = Callable[[Any, Assets, bool, Report], None]


def manifest_with(*fields: str) -> Callable[[Settings, Report], Manifest]:
    """`Job.source`: the manifest that the recipe trains on; a line that lacks one of these fields is a bad line."""

    def source(settings: Settings, report: Report) -> Manifest:
        return training_manifest(settings["data"], need=fields, report=report)

    return source


class Recordings(NamedTuple):
    """`Job.data`: batches with the field `samples`, augmented as the recipe says, and further columns.

    Attributes:
      columns: the columns besides the audio.
      of_training: those of training sets alone; None: the same.
      need: fields that every line of an evaluation manifest must have.
      identity: fields that, with the durations, identify the evaluation set that a score belongs to.
      look: looks at each manifest before its columns are made, and reports or refuses what a model cannot learn from.
      infeasible: describes an example that is too long or too short to learn from, as in `Job`.
      parts: chooses or cuts the examples of an evaluation manifest.
    """

    columns: Columns
    need: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    look: Look | None = None
    infeasible: str = NOTHING_LEARNED
    parts: Callable[[Manifest], Manifest] | None = None
    of_training: Columns | None = None

    def __call__(
        self, settings: Settings, manifest: Manifest, assets: Assets, task: Task, placement: Placement, report: Report
    ) -> RunData:
        """Make the data of a run; see `Job`."""
        of_data, augment = settings["data"], parse_augment(settings["augment"])
        options = {"sample_rate": task.inference.sample_rate, "channel": of_data["channel"], "seed": of_data["seed"]}
        mixing = parse_mixing(settings["mixing"]) if settings.get("mixing") else None
        if mixing is not None and type(manifest) is not Manifest:
            raise ConfigError("mixing needs recordings; those of this recipe are joined or made as they are needed")

        both, contents = NOISY in task.batch._fields, {}

        def columns_of(manifest: Manifest, *, train: bool) -> dict[str, Column]:
            joined = manifest if isinstance(manifest, CodeSwitchedManifest) else None
            samples = audio(manifest, augment=augment if train else None, joined=joined, **options)
            noisy: dict[str, Column] = {}
            if mixing is not None and (train or both):
                columns, content = mixed_columns(samples, manifest, mixing, train=train, **options)
                contents[manifest.problems.name] = f"{content}, {mixing}"
                if both:
                    samples, noisy = columns["samples"], {NOISY: columns[NOISY]}
                else:
                    samples = samples._replace(row=columns[NOISY].row)
            return self.with_samples(samples, manifest, assets, task, train=train, report=report) | noisy

        found = make_run_data(
            of_data,
            manifest,
            columns_of,
            task.batch,
            **self.of_evaluation,
            augment=augment,
            report=report,
            **placement._asdict(),
        )
        # A score belongs to the mixtures of a set.
        identities = {
            name: hashlib.sha256(f"{given} {contents[f'data.eval.{name}']}".encode()).hexdigest()[:16]
            if f"data.eval.{name}" in contents
            else given
            for name, given in found.identities.items()
        }
        return found._replace(identities=identities)

    @property
    def of_evaluation(self) -> dict[str, Any]:
        """The options of `make_run_data` about evaluation sets."""
        return {"identity_fields": self.identity, "need": self.need, "parts": self.parts}

    def with_samples(
        self, samples: Column, manifest: Any, assets: Assets, task: Task, *, train: bool, report: Report
    ) -> dict[str, Column]:
        """Look at a manifest, and make all columns; report what a model cannot learn from."""
        if self.look is not None:
            self.look(manifest, assets, train, report)
        columns = self.of_training if train and self.of_training is not None else self.columns
        made = {"samples": samples, **columns(manifest, assets, task)}
        if train and task.capacity is not None:
            check_capacity(task.capacity, manifest, made, what=self.infeasible, report=report)
        return made


def recordings(columns: Columns, **options: Any) -> Recordings:
    """Returns `Recordings(columns, **options)`."""
    return Recordings(columns, **options)
