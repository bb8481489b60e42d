"""A model in the form in which it runs fastest: same weights, same results."""

from typing import Any

from jaxspeech.encoders.fastconformer import unstack_layers
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.tasks.hybrid import HEADS
from jaxspeech.types import Variables


def for_inference(
    config: dict[str, Any], variables: Variables, *, dtype: str | None = None
) -> tuple[dict[str, Any], Variables]:
    """Encoder layers as copies of their own instead of a scan over stacked weights, which each step would slice.

    Args:
      config: as `build` takes it; it is not changed.
      variables: that fit it.
      dtype: of the matrix products; None is the config's.

    Returns:
      The configuration and variables of the same model.
    """
    encoder, decoder = dict(config["encoder"]), dict(config["decoder"])
    if encoder.get("name") == "fastconformer" and encoder.get("scan_layers", True):
        encoder["scan_layers"] = False
        variables = {
            name: value | {"encoder": unstack_layers(value["encoder"])} if "encoder" in value else value
            for name, value in variables.items()
        }
    if dtype is not None:
        encoder["dtype"] = decoder["dtype"] = dtype
    return config | {"encoder": encoder, "decoder": decoder}, variables


def with_head(config: dict[str, Any], head: str) -> dict[str, Any]:
    """The configuration of a hybrid model that decodes with its other head.

    Raises:
      ConfigError: the model has no other head, or no head is called so.
    """
    if head not in HEADS:
        raise ConfigError(f"head {head!r}{did_you_mean(head, HEADS)}")
    if config["task"] != "hybrid":
        raise ConfigError(f"head {head!r}: only a hybrid model has a choice, and this one's task is {config['task']!r}")
    return config | {"search": {**config.get("search", {}), "head": head}}
