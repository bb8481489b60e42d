"""The job of classification: recordings with one class each, the names of the classes, accuracy and macro F1."""

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets
from jaxspeech.data.manifest import Manifest
from jaxspeech.evaluation.classification import classification_scores
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.jobs.job import Job, Settings
from jaxspeech.jobs.labels import (
    choose_classes,
    class_settings,
    describe_classes,
    labelled_recordings,
    sized_by_classes,
)
from jaxspeech.jobs.recordings import manifest_with
from jaxspeech.surgery.classes import change_classes
from jaxspeech.tasks.task import Task


def _assets(settings: Settings, manifest: Manifest, given: Assets) -> Assets:
    return {"classes": choose_classes(settings, manifest, given)}


def _evaluation(settings: Settings, assets: Assets, task: Task) -> Evaluation:
    del task
    return classification_scores(assets["classes"].names, field=class_settings(settings).field)


def _adapted(archive: Archive, assets: Assets, seed: int) -> Archive:
    """Keeps the weights of classes that both models have, and initialises those of new classes."""
    return change_classes(archive, assets["classes"], seed=seed)


CLASSIFICATION = Job(
    source=manifest_with(),
    assets=_assets,
    sized=sized_by_classes,
    data=labelled_recordings,
    evaluation=_evaluation,
    adapted=_adapted,
    describe=describe_classes,
    fixed=("classes",),
)
