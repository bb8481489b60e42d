"""Multiplies the weight norms of a vocoder or a codec into its kernels, and takes them out again: equal results.

Norms help training. In use they would be computed again for every sentence, which takes longer than a short one does.
"""

from typing import Any

from jaxspeech.nn.normed_convolution import folded, unfolded
from jaxspeech.types import Variables

# The parts of a model that may have weight norms, their modules, and the field that says so.
PARTS, MODULES, FIELD = ("generator", "encoder", "decoder"), ("hifigan", "codec"), "kernel_norm"


def without_weight_norms(config: dict[str, Any], variables: Variables) -> tuple[dict[str, Any], Variables]:
    """Multiplies the norms into the kernels of the parts that have them.

    Args:
      config: as `build` takes it; it is not changed.
      variables: of the same model.
    """
    return _changed(config, variables, "weight", "none", folded)


def with_weight_norms(config: dict[str, Any], variables: Variables) -> tuple[dict[str, Any], Variables]:
    """The inverse of `without_weight_norms`: a kernel is its own direction."""
    return _changed(config, variables, "none", "weight", unfolded)


def _changed(
    config: dict[str, Any], variables: Variables, before: str, after: str, change: Any
) -> tuple[dict[str, Any], Variables]:
    for key in PARTS:
        part, params = config.get(key), variables.get("params", {})
        if isinstance(part, dict) and part.get("name") in MODULES and part.get(FIELD, "weight") == before:
            config = config | {key: part | {FIELD: after}}
            variables = {**variables, "params": {**params, key: change(params[key])}}
    return config, variables
