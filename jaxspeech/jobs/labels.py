"""Shared parts of the jobs whose manifests name a class of each recording: the classes, balance, checks of the names.

A recipe of theirs has

    classes: {field: the manifest's field, names: (), "model" or a list, weights: "none", "balanced" or {name: weight}}
    data.balance: 0 to 1
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from jaxspeech.assets import Assets
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.label import balancing_weights, inverse_frequencies, label_names, label_numbers, labels
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.run_data import RunData
from jaxspeech.errors import ConfigError, ManifestError, did_you_mean, listed
from jaxspeech.jobs.job import Placement, Report, Settings
from jaxspeech.jobs.recordings import recordings
from jaxspeech.tasks.task import Task
from jaxspeech.text.classes import Classes

WEIGHTS = ("none", "balanced")


class ClassSettings(NamedTuple):
    """The part `classes` of a recipe.

    Attributes:
      field: the field of the manifests that names the class.
      names: of the classes, in the order of the outputs; (): those in the training data, sorted; "model": those of the
        model to start from.
      weights: of the classes in the loss: "none"; "balanced", inversely proportional to their number of examples; or
        one for each name, 1 for those that are left out.
    """

    field: str = "label"
    names: Any = ()
    weights: Any = "none"


def class_settings(settings: Settings) -> ClassSettings:
    """Reads the part `classes` of a recipe; without one, all defaults hold.

    Raises:
      ConfigError: it has a field that is not one of `ClassSettings`.
    """
    given = dict(settings.get("classes") or {})
    for name in given:
        if name not in ClassSettings._fields:
            raise ConfigError(f"classes.{name} is not a field{did_you_mean(name, ClassSettings._fields)}")
    return ClassSettings(**given)


def choose_classes(settings: Settings, manifest: Manifest, given: Assets) -> Classes:
    """Returns the classes of a model to train, with their weights in the loss.

    Args:
      settings: the recipe.
      manifest: the training data.
      given: the assets of the model to start from.

    Raises:
      ConfigError: the recipe's names or weights cannot be used.
      ManifestError: the training data has examples of fewer than two classes.
    """
    asked, name = class_settings(settings), manifest.problems.name or "the training data"
    found = {label for label in label_names(manifest, field=asked.field) if label is not None}
    names = classes_of(asked, sorted(found), given).names if found or asked.names else ()
    if not found:
        raise ManifestError(f"{name}: no example has the field {asked.field!r} (classes.field) with a name in it")
    known = sorted(found & set(names))
    if not known:
        raise ManifestError(
            f"{name}: none of the model's classes ({_listed(names)}) occurs in the field {asked.field!r}, which has "
            f"{_listed(sorted(found))}"
        )
    if len(known) < 2:
        raise ManifestError(f"{name}: all examples are of one class, {known[0]!r}; to tell classes apart takes two")
    classes = Classes(names)
    numbers = label_numbers(manifest, classes, field=asked.field)
    counts = np.bincount(numbers[numbers >= 0], minlength=len(classes))
    return Classes(names, loss_weights(asked, classes, counts))


def classes_of(asked: ClassSettings, found: Sequence[str], given: Assets) -> Classes:
    """Returns the classes that the recipe names, or those of the model to start from, or those that were found.

    Raises:
      ConfigError: the recipe's names cannot be used.
    """
    if asked.names == "model":
        if "classes" not in given:
            raise ConfigError('classes.names is "model", but init_from names no model with classes')
        return Classes(given["classes"].names)
    if isinstance(asked.names, str):
        raise ConfigError(f'classes.names is {asked.names!r}; it must be a list of names, or "model"')
    return Classes(tuple(map(str, asked.names)) or found)


def loss_weights(asked: ClassSettings, classes: Classes, counts: Int[np.ndarray, " C"]) -> tuple[float, ...]:
    """Returns the weights of the classes in the loss; () for none.

    Args:
      asked: the recipe's settings.
      classes: the classes.
      counts: the number of examples of each.

    Raises:
      ConfigError: the recipe's weights cannot be used.
    """
    if isinstance(asked.weights, Mapping):
        for name in asked.weights:
            if name not in classes.numbers:
                raise ConfigError(f"classes.weights: {name!r} is not a class{did_you_mean(name, classes.names)}")
        return tuple(float(asked.weights.get(name, 1)) for name in classes.names)
    if asked.weights not in WEIGHTS:
        raise ConfigError(f"classes.weights is {asked.weights!r}; it must be {' or '.join(WEIGHTS)}, or name: weight")
    return () if asked.weights == "none" else inverse_frequencies(counts)


def sized_by_classes(model: dict[str, Any], assets: Assets) -> dict[str, Any]:
    """`Job.sized`: sets the model's number of classes, and their weights if there are any."""
    classes: Classes = assets["classes"]
    rest = {key: value for key, value in model.items() if key != "class_weights"}
    return rest | {"num_classes": len(classes)} | ({"class_weights": classes.weights} if classes.weights else {})


def describe_classes(assets: Assets) -> str:
    """`Job.describe`."""
    return f"{len(assets['classes'])} classes"


def labelled_recordings(
    settings: Settings, manifest: Manifest, assets: Assets, task: Task, placement: Placement, report: Report
) -> RunData:
    """`Job.data`: recordings with the column `label`; data.balance shows those of rare classes more often.

    Raises:
      ConfigError: data.balance is not between 0 and 1.
      ManifestError: no example of a set is of a class of the model.
    """
    field = class_settings(settings).field
    manifest = balanced(settings, manifest, assets["classes"])

    def columns(manifest: Manifest, assets: Assets, task: Task) -> dict[str, Column]:
        return {"label": labels(manifest, assets["classes"], field=field)}

    def look(manifest: Manifest, assets: Assets, train: bool, report: Report) -> None:
        if not train:  # examples to train on are reported one by one, as their column has no value
            look_at_labels(manifest, assets["classes"], field=field, report=report)

    make = recordings(columns, identity=(field,), look=look)
    return make(settings, manifest, assets, task, placement, report)


def balanced(settings: Settings, manifest: Manifest, classes: Classes) -> Manifest:
    """Returns the training data with those of rare classes more often, as data.balance says.

    Raises:
      ConfigError: data.balance is not between 0 and 1.
    """
    strength = settings["data"].get("balance", 0.0)
    if not 0 <= strength <= 1:
        raise ConfigError(f"data.balance is {strength!r}; it must be from 0, as it is, to 1, all classes equally often")
    if not strength:
        return manifest
    numbers = label_numbers(manifest, classes, field=class_settings(settings).field)
    return manifest.weighted(balancing_weights(numbers, strength=strength))


def look_at_labels(manifest: Manifest, classes: Classes, *, field: str, report: Report) -> None:
    """Reports how many examples of an evaluation set are of no class of the model: none of them can be right.

    Raises:
      ManifestError: no example is of a class of the model.
    """
    name = manifest.problems.name or "the manifest"
    names = label_names(manifest, field=field)
    unnamed = names.count(None)
    found = Counter(label for label in names if label is not None and label not in classes.numbers)
    unknown = sum(found.values())
    if unnamed + unknown == len(manifest):
        what = f"its {field}s are {_listed(sorted(found))}" if found else f"no line has the field {field!r}"
        raise ManifestError(f"{name}: no example is of a class of the model ({_listed(classes.names)}): {what}")
    if unnamed:
        report(f"{name}: {unnamed} of {len(manifest)} examples have no {field}; they are not scored")
    if unknown:
        lacking = _listed([label for label, _ in found.most_common()])
        report(f"{name}: {unknown} of {len(manifest)} examples are of classes that the model lacks ({lacking})")


def _listed(names: Sequence[str]) -> str:
    """Lists a few names in quotation marks, and counts the others."""
    return listed([*map(repr, names)])
