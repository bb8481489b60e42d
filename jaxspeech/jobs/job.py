"""The contract between a kind of task and the run that trains it: its data, what it owns, its scores."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets
from jaxspeech.data.run_data import RunData
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.report.view import View
from jaxspeech.tasks.task import Task

# A whole recipe, or a part of one, as JSON holds it.
Settings = Mapping[str, Any]
ModelConfig = dict[str, Any]
Report = Callable[[str], None]


class Placement(NamedTuple):
    """Where the rows of a batch go.

    Attributes:
      data_shards: devices between which a batch is split.
      accumulate: parts in which a batch to train on goes through a step.
      share: (i, n): this process takes part i of the n equal parts of each batch's rows.
    """

    data_shards: int = 1
    accumulate: int = 1
    share: tuple[int, int] = (0, 1)


class Job(NamedTuple):
    """What a run needs of a kind of task besides its Task. Nothing that is given is ever changed.

    Attributes:
      source: (recipe, report) -> what the training data is read from, such as a Manifest; `report` is called with
        a line about each example that cannot be used.
      assets: (recipe, source, assets of the model to start from) -> what the model owns.
      sized: (model's configuration, assets) -> the configuration with the sizes that follow from the assets.
      data: (recipe, source, assets, task, placement, report) -> batches to train on, and evaluation sets.
      evaluation: (recipe, assets, task) -> how predictions are scored.
      adapted: (trained model, assets, seed) -> the trained model as far as it fits these assets: a warm start.
      describe: assets -> a few words for the first line of a run, such as "128 tokens".
      view: (task, its jitted prediction, assets, what puts a batch on the devices) -> how the examples of an evaluation
        are shown in the logs and the report; None shows their lines alone.
      fixed: parts of the recipe that the assets come from; a run cannot resume with others.
      infeasible: what it means where a row's loss is infinite, for the last line of a run.
    """

    source: Callable[[Settings, Report], Any]
    assets: Callable[[Settings, Any, Assets], Assets]
    sized: Callable[[ModelConfig, Assets], ModelConfig]
    data: Callable[[Settings, Any, Assets, Task, Placement, Report], RunData]
    evaluation: Callable[[Settings, Assets, Task], Evaluation]
    adapted: Callable[[Archive, Assets, int], Archive]
    describe: Callable[[Assets], str]
    view: Callable[[Task, Callable[..., Any], Assets, Callable[[Any], Any]], View] | None = None
    fixed: tuple[str, ...] = ()
    infeasible: str = "rows from which nothing could be learned"


def as_it_is(archive: Archive, assets: Assets, seed: int) -> Archive:
    """`Job.adapted` of a kind of task whose weights do not depend on what the model owns."""
    del assets, seed
    return archive
