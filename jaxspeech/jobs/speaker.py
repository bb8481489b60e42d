"""The job of speaker models: recordings with the name of their speaker, and the equal error rate.

A recipe has the part `classes`, as those of classifiers (see `jobs.labels`). With `speakers.of_speeds`, each speed of
the augmentation but 1 makes further speakers of those in the training data: their pitch and formants differ.
"""

import numpy as np

from jaxspeech.assets import Assets
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.label import label_names, labels
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.run_data import RunData
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ManifestError
from jaxspeech.evaluation.verification import verification_scores
from jaxspeech.jobs.job import Job, ModelConfig, Placement, Report, Settings, as_it_is
from jaxspeech.jobs.labels import balanced, choose_classes, class_settings, describe_classes
from jaxspeech.jobs.recordings import manifest_with, recordings
from jaxspeech.tasks.task import Task
from jaxspeech.text.classes import Classes


def _speeds(settings: Settings) -> list[float]:
    """The speeds that make further speakers, in their order."""
    if not (settings.get("speakers") or {}).get("of_speeds"):
        return []
    return [float(speed) for speed in settings["augment"]["speed"] if speed != 1]


def _assets(settings: Settings, manifest: Manifest, given: Assets) -> Assets:
    names = choose_classes(settings, manifest, given).names
    if class_settings(settings).names == "model":
        return {"classes": Classes(names)}
    changed = [f"{name} (speed {speed:g})" for speed in _speeds(settings) for name in names]
    return {"classes": Classes([*names, *changed])}


def _sized(model: ModelConfig, assets: Assets) -> ModelConfig:
    return model | {"decoder": model["decoder"] | {"num_classes": len(assets["classes"])}}


def _data(
    settings: Settings, manifest: Manifest, assets: Assets, task: Task, placement: Placement, report: Report
) -> RunData:
    field, speeds = class_settings(settings).field, np.array([1.0, *_speeds(settings)])
    classes: Classes = assets["classes"]

    def columns(manifest: Manifest, assets: Assets, task: Task) -> dict[str, Column]:
        column = labels(manifest, classes, field=field)

        def row(example: int, variant: Variant) -> np.int32:
            number = column.row(example, variant)
            # A long example is sped up until it fits: the nearest of the speeds counts.
            speed = speeds[np.abs(speeds - variant.speed).argmin()]
            return number if speed == 1 else np.int32(classes.numbers[f"{classes.names[number]} (speed {speed:g})"])

        return {"label": column._replace(row=row)}

    def look(manifest: Manifest, assets: Assets, train: bool, report: Report) -> None:
        if not train and len({name for name in label_names(manifest, field=field) if name is not None}) < 2:
            name = manifest.problems.name or "the manifest"
            raise ManifestError(
                f"{name}: the field {field!r} names fewer than two speakers; there is nothing to verify"
            )

    manifest = balanced(settings, manifest, classes)
    make = recordings(columns, identity=(field,), look=look)
    return make(settings, manifest, assets, task, placement, report)


SPEAKER = Job(
    source=manifest_with(),
    assets=_assets,
    sized=_sized,
    data=_data,
    evaluation=lambda settings, assets, task: verification_scores(field=class_settings(settings).field),
    adapted=as_it_is,
    describe=describe_classes,
    fixed=("classes",),
)
