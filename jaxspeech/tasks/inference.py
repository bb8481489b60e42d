"""A model in the form in which it runs fastest, or trains: same weights, same results."""

from typing import Any

import jax

from jaxspeech.encoders.layer_stack import stack_layers, unstack_layers
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.tasks.hybrid import HEADS
from jaxspeech.types import Variables

HALF = ("bfloat16", "float16")


def for_inference(
    config: dict[str, Any], variables: Variables, *, dtype: str | None = None
) -> tuple[dict[str, Any], Variables]:
    """Encoder layers as copies of their own instead of a scan over stacked weights, which each step would slice.

    In half precision the weights of the products are kept in it. In bfloat16 on a CPU, all between the products is
    float32 (see `nn.products`).

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
    config = config | {"encoder": encoder, "decoder": decoder}
    if dtype is not None:
        encoder["dtype"] = decoder["dtype"] = dtype
        config.pop("product_dtype", None)
    return _in_half_precision(config, variables) if encoder.get("dtype") in HALF else (config, variables)


def _in_half_precision(config: dict[str, Any], variables: Variables) -> tuple[dict[str, Any], Variables]:
    dtype = config["encoder"]["dtype"]

    def rounded(path: Any, x: Any) -> Any:
        return x.astype(dtype) if path[-1].key == "kernel" else x

    if dtype == "bfloat16" and jax.default_backend() == "cpu":
        parts = {part: config[part] | {"dtype": "float32"} for part in ("encoder", "decoder")}
        config = config | parts | {"product_dtype": dtype}
    return config, jax.tree_util.tree_map_with_path(rounded, variables)


def for_training(config: dict[str, Any], variables: Variables) -> tuple[dict[str, Any], Variables]:
    """The inverse of `for_inference`: equal layers stacked, which compile as one; products as the parts' own dtype."""
    encoder = dict(config["encoder"])
    config = {key: value for key, value in config.items() if key != "product_dtype"}
    if encoder.get("name") == "fastconformer" and not encoder.get("scan_layers", True) and not encoder.get("reduction"):
        encoder["scan_layers"] = True
        variables = {
            name: value | {"encoder": stack_layers(value["encoder"])} if "encoder" in value else value
            for name, value in variables.items()
        }
    return config | {"encoder": encoder}, variables


def with_search(config: dict[str, Any], *, head: str | None = None, beam_size: int | None = None) -> dict[str, Any]:
    """The configuration of the same model with another search.

    Args:
      config: as `build` takes it; it is not changed.
      head: of a hybrid model, "transducer" or "ctc".
      beam_size: of a transducer; 1 is the greedy search.

    Raises:
      ConfigError: the model has no such choice.
    """
    options = dict(config.get("search", {}))
    if head is not None:
        if head not in HEADS:
            raise ConfigError(f"head {head!r}{did_you_mean(head, HEADS)}")
        if config["task"] != "hybrid":
            raise ConfigError(
                f"head {head!r}: only a hybrid model has a choice; the task of this one is {config['task']}"
            )
        options["head"] = head
    if beam_size is not None:
        if beam_size < 1:
            raise ConfigError(f"beam_size is {beam_size}; it must be at least 1")
        if "ctc" in (config["task"], options.get("head")) and beam_size > 1:
            raise ConfigError(f"beam_size {beam_size}: only a transducer has a beam search, not CTC")
        options["beam_size"] = beam_size
    return config | {"search": options} if options else config
