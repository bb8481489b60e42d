"""Makes a trained model's encoder the features of another model (`tasks.encoder_layers`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.encoder_layers import FROZEN
from jaxspeech.types import Variables

NAME = "encoder_layers"


def encoder_features(
    archive: Archive, *, layers: Sequence[int] | None = None, aggregate: str = "weighted_sum", frozen: bool = True
) -> dict[str, Any]:
    """Returns the section `features` of a model whose features are those of this encoder.

    Args:
      archive: any model with `features` and an `encoder`.
      layers: numbers of the layers; None: all.
      aggregate, frozen: see `tasks.encoder_layers.EncoderLayers`.

    Raises:
      ConfigError: the model has no encoder of mel frames.
    """
    model = archive.model
    features: Any = model.get("features") or {}
    if "encoder" not in model or features.get("name") != "mel":
        raise ConfigError(f"a model of the task {model.get('task')} has no encoder of mel frames to take")
    if (model.get("interctc") or {}).get("conditioned"):
        raise ConfigError(
            "an encoder whose layers see the tokens of a CTC head (interctc.conditioned) works with it alone"
        )
    layers = range(build(model).model.encoder.depth) if layers is None else layers
    section = {"name": NAME, "features": dict(features), "encoder": dict(model["encoder"])}
    return section | {"layers": tuple(layers), "aggregate": aggregate, "frozen": frozen}


def encoder_variables(archive: Archive, model: Mapping[str, Any], *, name: str) -> Variables:
    """Returns the variables of this encoder where a model has them whose features they are.

    Args:
      archive: the trained model.
      model: configuration of the new one.
      name: of the trained model, for messages.

    Raises:
      ConfigError: the new model's features are of another kind, or of another encoder.
    """
    features: Any = model.get("features") or {}
    if features.get("name") != NAME:
        raise ConfigError(f"init.features is {name}, but the model's features are {features.get('name')}, not {NAME}")
    theirs = archive.model.get("encoder") or {}
    other = [key for key in ("name", "num_layers", "width") if theirs.get(key) != features["encoder"].get(key)]
    if other:
        raise ConfigError(f"init.features: the encoder of {name} and model.features.encoder differ in {other[0]}")
    own = {collection: tree["encoder"] for collection, tree in archive.variables.items() if "encoder" in tree}
    if features.get("frozen", True):
        return {FROZEN: {"frontend": {"weights": own}}}
    return {collection: {"frontend": {"encoder": tree}} for collection, tree in own.items()}


def check_encoder_given(model: Mapping[str, Any]) -> None:
    """Checks that a new model does not take its features from an encoder that would stay random.

    Raises:
      ConfigError: its encoder is frozen, and comes from no model.
    """
    features: Any = model.get("features") or {}
    if features.get("name") == NAME and features.get("frozen", True):
        raise ConfigError(
            "model.features.encoder is frozen and has no weights: name its model with --config.init.features"
        )
