"""The job of neural codecs: recordings alone, and how far they are from what became of them.

A recipe may have the part `scores: {measures: ("estoi",)}`: further scores of the evaluation sets.
"""

from collections.abc import Mapping

from jaxspeech.assets import Assets
from jaxspeech.data.columns.column import Column
from jaxspeech.data.manifest import Manifest
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.evaluation.codec import codec_scores
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.jobs.job import Job, Settings, as_it_is
from jaxspeech.jobs.recordings import manifest_with, recordings
from jaxspeech.report.coded_view import CodedView
from jaxspeech.tasks.task import Task


def _no_columns(manifest: Manifest, assets: Assets, task: Task) -> Mapping[str, Column]:
    del manifest, assets, task
    return {}


def _evaluation(settings: Settings, assets: Assets, task: Task) -> Evaluation:
    del assets
    given, kind = dict(settings.get("scores") or {}), task.inference
    for name in given:
        if name != "measures":
            raise ConfigError(f"scores.{name} is not a field{did_you_mean(name, ['measures'])}")
    measures = given.get("measures") or ()
    measures = (measures,) if isinstance(measures, str) else tuple(measures)
    sizes = {"frame_samples": kind.frame_samples, "codebook_size": kind.codebook_size}
    return codec_scores(kind.sample_rate, measures=measures, **sizes)


CODEC = Job(
    source=manifest_with(),
    assets=lambda settings, manifest, given: {},
    sized=lambda model, assets: model,
    data=recordings(_no_columns),
    evaluation=_evaluation,
    adapted=as_it_is,
    describe=lambda assets: "a codec",
    view=lambda task, predict, assets, put: CodedView(predict, sample_rate=task.inference.sample_rate, put=put),
    infeasible="a recording without samples",
)
