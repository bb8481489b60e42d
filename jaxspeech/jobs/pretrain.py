"""The job of pretraining: recordings alone, of which an encoder learns to predict what is masked.

What a recipe's part `augment` does to a recording is done to the targets too.
"""

from collections.abc import Mapping

from jaxspeech.assets import Assets
from jaxspeech.data.columns.column import Column
from jaxspeech.data.manifest import Manifest
from jaxspeech.evaluation.pretraining import pretraining_scores
from jaxspeech.jobs.job import Job, as_it_is
from jaxspeech.jobs.recordings import manifest_with, recordings
from jaxspeech.tasks.task import Task


def _no_columns(manifest: Manifest, assets: Assets, task: Task) -> Mapping[str, Column]:
    del manifest, assets, task
    return {}


PRETRAIN = Job(
    source=manifest_with(),
    assets=lambda settings, manifest, given: {},
    sized=lambda model, assets: model,
    data=recordings(_no_columns),
    evaluation=lambda settings, assets, task: pretraining_scores(task.model.quantizer.num_codes),
    adapted=as_it_is,
    describe=lambda assets: "pretraining",
    infeasible="a recording without a frame",
)
