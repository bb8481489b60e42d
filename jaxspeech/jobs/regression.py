"""The job of regression: recordings with a number each, and the errors of the estimates.

A recipe may have the part `values: {field: the manifest's field with the number}`, "label" by default.
"""

from functools import partial

import numpy as np

from jaxspeech.assets import Assets
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.number import number_of, numbers, read_numbers
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.run_data import RunData
from jaxspeech.errors import ConfigError, ManifestError, did_you_mean
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.evaluation.regression import regression_scores
from jaxspeech.jobs.job import Job, Placement, Report, Settings, as_it_is
from jaxspeech.jobs.recordings import manifest_with, recordings
from jaxspeech.tasks.task import Task


def _field(settings: Settings) -> str:
    given = dict(settings.get("values") or {})
    for name in given:
        if name != "field":
            raise ConfigError(f"values.{name} is not a field{did_you_mean(name, ['field'])}")
    return given.get("field", "label")


def _assets(settings: Settings, manifest: Manifest, given: Assets) -> Assets:
    del given
    field, name = _field(settings), manifest.problems.name or "the training data"
    found = np.unique(read_numbers(manifest, field=field))
    found = found[~np.isnan(found)]
    if not len(found):
        raise ManifestError(f"{name}: no example has a number in the field {field!r} (values.field)")
    if len(found) < 2:
        raise ManifestError(f"{name}: the field {field!r} is {found[0]:g} in all examples; there is nothing to learn")
    return {}


def _data(
    settings: Settings, manifest: Manifest, assets: Assets, task: Task, placement: Placement, report: Report
) -> RunData:
    field = _field(settings)

    def columns(manifest: Manifest, assets: Assets, task: Task) -> dict[str, Column]:
        return {"value": numbers(manifest, field=field)}

    make = recordings(columns, identity=(field,))
    return make(settings, manifest, assets, task, placement, report)


def _evaluation(settings: Settings, assets: Assets, task: Task) -> Evaluation:
    del assets, task
    field = _field(settings)
    return regression_scores(partial(number_of, field=field), field=field)


REGRESSION = Job(
    source=manifest_with(),
    assets=_assets,
    sized=lambda model, assets: model,
    data=_data,
    evaluation=_evaluation,
    adapted=as_it_is,
    describe=lambda assets: "one number",
    fixed=("values",),
)
