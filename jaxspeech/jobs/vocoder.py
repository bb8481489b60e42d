"""The job of vocoders: recordings, of which nothing but the audio is used.

A recipe's `augment.crop_to` takes short stretches of them.
"""

from jaxspeech.assets import Assets
from jaxspeech.data.columns.column import Column
from jaxspeech.data.manifest import Manifest
from jaxspeech.evaluation.vocoding import vocoding_scores
from jaxspeech.jobs.job import Job, as_it_is
from jaxspeech.jobs.recordings import manifest_with, recordings
from jaxspeech.report.vocoded_view import VocodedView
from jaxspeech.tasks.task import Task


def _columns(manifest: Manifest, assets: Assets, task: Task) -> dict[str, Column]:
    del manifest, assets, task
    return {}


VOCODER = Job(
    source=manifest_with(),
    assets=lambda settings, manifest, given: {},
    sized=lambda model, assets: model,
    data=recordings(_columns),
    evaluation=lambda settings, assets, task: vocoding_scores(),
    adapted=as_it_is,
    describe=lambda assets: "a vocoder",
    view=lambda task, predict, assets, put: VocodedView(predict, sample_rate=task.inference.sample_rate, put=put),
    infeasible="audio shorter than a frame",
)
