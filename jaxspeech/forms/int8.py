"""Rounds the matrices of language models to 8-bit integers, for inference in half of bfloat16's memory."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.builder import TASKS
from jaxspeech.decoders.causal_transformer import CausalTransformer
from jaxspeech.errors import ConfigError
from jaxspeech.nn.int8 import quantized
from jaxspeech.types import Variables

# What asks for it, in place of a dtype.
INT8 = "int8"
# Matrices by their names, and the axis of their inputs from the end.
MATRICES = {"kernel": -2, "table": -1}


def with_int8(config: Mapping[str, Any], variables: Variables) -> tuple[dict[str, Any], Variables]:
    """Returns the configuration and variables of the model with its language model's matrices in 8-bit integers.

    LoRA, norms and biases stay as they are, as do an encoder and a connector. The model answers almost the same (see
    `nn.int8` for the bound of each product); it cannot be trained further, except by LoRA.

    Raises:
      ConfigError: the model has no causal_transformer.
    """
    parts = TASKS[config["task"]].parts if config.get("task") in TASKS else {}
    found = [
        (key, part.field)
        for key, part in parts.items()
        if part.table.get(config.get(key, {}).get("name")) is CausalTransformer
    ]
    if not found:
        raise ConfigError(f"int8: a model of the task {config.get('task')!r} has no causal_transformer")
    config = dict(config)
    for key, field in found:
        if not config[key].get("int8"):
            params = variables["params"] | {field: _rounded(variables["params"][field])}
            config, variables = config | {key: config[key] | {"int8": True}}, variables | {"params": params}
    return config, variables


def _rounded(tree: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            made[name] = _rounded(value)
        elif name in MATRICES:
            made[name], made[f"{name}_scale"] = quantized(value, axis=MATRICES[name])
        else:
            made[name] = value
    return made
