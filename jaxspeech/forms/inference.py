"""A model in the form in which it runs fastest, or trains: same weights, same results."""

from typing import Any

import jax

from jaxspeech.encoders.layer_stack import stack_layers, unstack_layers
from jaxspeech.types import Variables

HALF = ("bfloat16", "float16")


def for_inference(
    config: dict[str, Any], variables: Variables, *, dtype: str | None = None
) -> tuple[dict[str, Any], Variables]:
    """Encoder layers as copies of their own instead of a scan over stacked weights, which each step would slice.

    In bfloat16 on a CPU, all between the products is float32 (see `nn.products`). Weights of the products are rounded
    only where half precision is asked for: a model that states it keeps what it was trained to.

    Args:
      config: as `build` takes it; it is not changed.
      variables: that fit it.
      dtype: of the matrix products; None is the config's.

    Returns:
      The configuration and variables of the same model.
    """
    stacked, config = config, unstacked(config)
    if config is not stacked:
        variables = {
            name: value | {"encoder": unstack_layers(value["encoder"])} if "encoder" in value else value
            for name, value in variables.items()
        }
    config = _of_any_device(config)
    if dtype is not None:
        config = _in_dtype(config, dtype)
    if dtype in HALF:
        variables = jax.tree_util.tree_map_with_path(
            lambda path, x: x.astype(dtype) if path[-1].key == "kernel" else x, variables
        )
    if config["encoder"].get("dtype") == "bfloat16" and jax.default_backend() == "cpu":
        config = _in_dtype(config, "float32") | {"product_dtype": "bfloat16"}
    return config, variables


def unstacked(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of the same model with encoder layers on their own; `config` itself where they are already."""
    encoder = config.get("encoder", {})
    if encoder.get("name") == "fastconformer" and encoder.get("scan_layers", True):
        return config | {"encoder": encoder | {"scan_layers": False}}
    return config


def _in_dtype(config: dict[str, Any], dtype: str) -> dict[str, Any]:
    return config | {part: config[part] | {"dtype": dtype} for part in ("encoder", "decoder")}


def _of_any_device(config: dict[str, Any]) -> dict[str, Any]:
    """Without what `for_inference` made of it for a CPU: a model that was saved there may be loaded elsewhere."""
    if "product_dtype" not in config:
        return config
    rest = {key: value for key, value in config.items() if key != "product_dtype"}
    return _in_dtype(rest, config["product_dtype"])


def for_training(config: dict[str, Any], variables: Variables) -> tuple[dict[str, Any], Variables]:
    """The inverse of `for_inference`: equal layers stacked, which compile as one; the dtype that the model states."""
    config = _of_any_device(config)
    encoder = dict(config["encoder"])
    if encoder.get("name") == "fastconformer" and not encoder.get("scan_layers", True) and not encoder.get("reduction"):
        encoder["scan_layers"] = True
        variables = {
            name: value | {"encoder": stack_layers(value["encoder"])} if "encoder" in value else value
            for name, value in variables.items()
        }
    return config | {"encoder": encoder}, variables
