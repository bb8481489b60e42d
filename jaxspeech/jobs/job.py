"""The contract between a kind of task and the run that trains it: data, assets, scores."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets
from jaxspeech.data.run_data import RunData
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.report.view import View
from jaxspeech.tasks.task import Task
from jaxspeech.types import Variables

# A whole recipe, or a part of one, as loaded from JSON.
Settings = Mapping[str, Any]
ModelConfig = dict[str, Any]
Report = Callable[[str], None]
# What is wrong with a row of infinite loss, where a job does not say more.
NOTHING_LEARNED = "an example from which nothing can be learned"


class Placement(NamedTuple):
    """How the rows of a batch are distributed.

    Attributes:
      data_shards: number of devices between which a batch is split.
      accumulate: number of parts in which a step processes a training batch (gradient accumulation).
      share: (i, n): this process takes part i of the n equal parts of each batch's rows.
    """

    data_shards: int = 1
    accumulate: int = 1
    share: tuple[int, int] = (0, 1)


class Taken(NamedTuple):
    """What a model takes from a trained one that is of another task.

    Attributes:
      include: patterns of the arrays, as in the recipe's `init.include`.
      note: what that is, for the line about the start.
    """

    include: tuple[str, ...] = ()
    note: str = ""


class Job(NamedTuple):
    """What a run needs for a kind of task besides its Task. The functions never change their arguments.

    Attributes:
      source: (recipe, report) -> the source of the training data, for example a Manifest; `report` is called with a
        line about each example that cannot be used.
      assets: (recipe, source, assets of the model to start from) -> the model's assets.
      sized: (model's configuration, assets) -> the configuration with the sizes that follow from the assets.
      data: (recipe, source, assets, task, placement, report) -> training batches and evaluation sets.
      evaluation: (recipe, assets, task) -> how predictions are scored.
      adapted: (trained model, assets, seed) -> the trained model, adapted to these assets for a warm start.
      describe: assets -> a few words for the first line of a run, for example "128 tokens".
      view: (task, its jitted prediction, assets, function that puts a batch on the devices) -> how the examples of an
        evaluation are shown in the logs and the report; None, as it or as what it returns, shows only their text lines.
      fixed: parts of the recipe that determine the assets; a run cannot resume if they have changed.
      taken: (model's configuration, trained model) -> what is taken of it where the recipe's `init.include` is empty;
        None: all of it.
      infeasible: the cause of rows with infinite loss, as a noun: "a transcript too long for its audio".
      given: recipe -> variables that a new run takes from other files than the model it starts from; None: there are
        none. They replace those of that model.
      saved: (recipe, model's configuration, assets, variables) -> what the archives hold of them; None: all as it is.
      check: (recipe, assets of the model to start from) -> None; raises what can be known before a corpus is made, such
        as a package that is missing.
    """

    source: Callable[[Settings, Report], Any]
    assets: Callable[[Settings, Any, Assets], Assets]
    sized: Callable[[ModelConfig, Assets], ModelConfig]
    data: Callable[[Settings, Any, Assets, Task, Placement, Report], RunData]
    evaluation: Callable[[Settings, Assets, Task], Evaluation]
    adapted: Callable[[Archive, Assets, int], Archive]
    describe: Callable[[Assets], str]
    view: Callable[[Task, Callable[..., Any], Assets, Callable[[Any], Any]], View | None] | None = None
    fixed: tuple[str, ...] = ()
    taken: Callable[[ModelConfig, Archive], Taken] | None = None
    infeasible: str = NOTHING_LEARNED
    given: Callable[[Settings], Variables] | None = None
    saved: Callable[[Settings, ModelConfig, Assets, Variables], tuple[ModelConfig, Assets, Variables]] | None = None
    check: Callable[[Settings, Assets], None] | None = None


def as_it_is(archive: Archive, assets: Assets, seed: int) -> Archive:
    """`Job.adapted` for a kind of task whose weights do not depend on the assets."""
    del assets, seed
    return archive
