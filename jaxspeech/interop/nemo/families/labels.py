"""Translates the names of classes and their weights between our asset and NeMo's configuration and checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.sections.read import optional_section
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.text.classes import Classes

LOSS = "nemo.collections.common.losses.cross_entropy.CrossEntropyLoss"
# The buffer with the weights of the classes.
WEIGHTS = "loss.weight"
# Values of `loss.weight` that stand for no weights; "auto" computes them from training data that is not there.
UNWEIGHTED = (None, "none", "None", "auto")
MOST_CLASSES = 1 << 20


def read_labels(config: Mapping[str, Any], problems: list[str]) -> list[str]:
    """Reads the names of the classes, as many as the head has; numbers as names where there are none."""
    decoder = optional_section(config, "decoder", problems)
    count, labels = decoder.get("num_classes"), config.get("labels")
    if type(count) is not int or not 0 < count <= MOST_CLASSES:
        problems.append(f"decoder.num_classes {count!r} (must be an integer from 1 to {MOST_CLASSES})")
        return []
    if labels is None:
        return [str(number) for number in range(count)]
    if not isinstance(labels, list | tuple) or len(labels) != count:
        found = f"{len(labels)} names" if isinstance(labels, list | tuple) else repr(labels)
        problems.append(f"labels {found} (must be {count}, as decoder.num_classes)")
        return []
    names = [str(label).lower() if isinstance(label, bool) else str(label) for label in labels]
    try:
        Classes(names)
    except ConfigError as error:
        problems.append(f"labels ({error})")
        return []
    return names


def read_class_weights(config: Mapping[str, Any], count: int, problems: list[str]) -> dict[str, Any]:
    """Reads the weights of the classes in the loss, as the field `class_weights` of our model; {} if there are none."""
    weights = optional_section(config, "loss", problems).get("weight")
    if weights is None or weights in UNWEIGHTED:
        return {}
    if not isinstance(weights, list | tuple) or len(weights) != count or not all(map(_is_weight, weights)):
        problems.append(f"loss.weight {weights!r} (must be {count} numbers, 0 or more)")
        return {}
    return {} if all(weight == 1 for weight in weights) else {"class_weights": tuple(map(float, weights))}


def with_class_weights(model: dict[str, Any], tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the model with the weights of the classes that its checkpoint has.

    They are those that NeMo restores, whatever the configuration says: with "auto" they are nowhere else.

    Raises:
      ArchiveError: they cannot be weights of the classes.
    """
    if WEIGHTS not in tensors:
        return model
    found, count = np.asarray(tensors[WEIGHTS], np.float32), model["num_classes"]
    if found.shape != (count,) or not (np.isfinite(found) & (found >= 0)).all():
        raise ArchiveError(f"{WEIGHTS}: not {count} numbers, 0 or more, one for each class")
    if np.array_equal(found, np.asarray(model.get("class_weights", ()), np.float32)):
        return model  # with more digits than the checkpoint
    rest = {key: value for key, value in model.items() if key != "class_weights"}
    return rest if (found == 1).all() else rest | {"class_weights": tuple(map(float, found))}


def _is_weight(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < float("inf")


def class_assets(file: NemoFile, config: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the asset of the classes of a model that has been read without problems."""
    del file
    return {"classes": Classes(read_labels(config, []), model.get("class_weights", ()))}


def nemo_labels(source: Source) -> list[str]:
    """Returns the names for NeMo's configuration.

    Raises:
      ArchiveError: the model has names for another number of classes.
    """
    count: int = source.module.num_classes
    names: Sequence[str] = source.assets["classes"].names if "classes" in source.assets else ()
    if names and len(names) != count:
        raise ArchiveError(f"it has {count} classes, but names for {len(names)} of them")
    return list(names) or [str(number) for number in range(count)]


def nemo_loss(source: Source, before: Mapping[str, Any]) -> dict[str, Any]:
    """Writes the section of the loss, with the model's weights of the classes or without any."""
    rest = {key: value for key, value in before.items() if key != "weight"}
    weights = source.module.class_weights
    return {"_target_": LOSS, **rest} | ({"weight": list(weights)} if weights else {})


def weight_tensors(module: Any, *, always: bool = False) -> Derived:
    """The buffer of the weights, which NeMo's frame models always have; what a file has in it is not checked."""
    if module.class_weights or always:
        return {WEIGHTS: np.array(module.class_weights or [1.0] * module.num_classes, np.float32)}
    return {}
