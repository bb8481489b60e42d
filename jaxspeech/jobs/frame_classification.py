"""The job of frame classification: recordings with a sequence of labels each, accuracy and macro F1 of their frames."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.frame_labels import frame_labels
from jaxspeech.data.frame_shares import NOTHING
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.run_data import RunData
from jaxspeech.errors import ManifestError
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.evaluation.frames import frame_scores
from jaxspeech.jobs.job import Job, Placement, Report, Settings
from jaxspeech.jobs.labels import class_settings, classes_of, describe_classes, loss_weights, sized_by_classes
from jaxspeech.jobs.recordings import manifest_with, recordings
from jaxspeech.manifest_lines import parse_line
from jaxspeech.surgery.classes import change_classes
from jaxspeech.tasks.task import Task
from jaxspeech.text.classes import Classes

INFEASIBLE = "a recording without a frame"


def _assets(settings: Settings, manifest: Manifest, given: Assets) -> Assets:
    """The classes that the recipe names, or those of the model to start from, or those in the labels."""
    asked, name = class_settings(settings), manifest.problems.name or "the training data"
    found = Counter(_labels(manifest, asked.field))
    if not found:
        raise ManifestError(f"{name}: no example has labels of frames in the field {asked.field!r} (classes.field)")
    if len(found) < 2:
        raise ManifestError(
            f"{name}: all frames are of one class, {next(iter(found))!r}; to tell classes apart takes two"
        )
    numbered = all(label.isascii() and label.isdigit() for label in found)
    classes = classes_of(asked, sorted(found, key=int) if numbered else sorted(found), given)
    numbers = [label for label in found if label not in classes.numbers and label.isdigit()]  # stand for names
    counts = np.array([found[name] for name in classes.names], np.int64)
    for label in numbers:
        if int(label) < len(classes):
            counts[int(label)] += found[label]
    return {"classes": Classes(classes.names, loss_weights(asked, classes, counts))}


def _labels(manifest: Manifest, field: str) -> Iterator[str]:
    for line in manifest.lines():
        value = parse_line(line).get(field)
        labels = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        for label in map(str, labels):
            yield from (part for part in label.split(",") if part and part != NOTHING)


def _data(
    settings: Settings, manifest: Manifest, assets: Assets, task: Task, placement: Placement, report: Report
) -> RunData:
    field = class_settings(settings).field

    def columns(manifest: Manifest, assets: Assets, task: Task) -> dict[str, Column]:
        options = {"frame_seconds": task.inference.frame_seconds, "multi_label": task.model.multi_label}
        return {"label": frame_labels(manifest, assets["classes"], field=field, **options)}

    make = recordings(columns, identity=(field,), infeasible=INFEASIBLE)
    return make(settings, manifest, assets, task, placement, report)


def _evaluation(settings: Settings, assets: Assets, task: Task) -> Evaluation:
    field = class_settings(settings).field
    return frame_scores(assets["classes"].names, field=field, multi_label=task.model.multi_label)


def _adapted(archive: Archive, assets: Assets, seed: int) -> Archive:
    return change_classes(archive, assets["classes"], seed=seed)


FRAME_CLASSIFICATION = Job(
    source=manifest_with(),
    assets=_assets,
    sized=sized_by_classes,
    data=_data,
    evaluation=_evaluation,
    adapted=_adapted,
    describe=describe_classes,
    fixed=("classes",),
    infeasible=INFEASIBLE,
)
