"""Adds the LoRA of a decoder to the matrices that it stands beside: W + (alpha / r) A B in place of W."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def without_low_rank(decoder: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the configuration and parameters of the same decoder without LoRA, on the host.

    Args:
      decoder: the configuration of a causal_transformer.
      params: its parameters, with layers stacked or not.
    """
    lora = decoder.get("lora") or {}
    rest = {name: value for name, value in decoder.items() if name != "lora"}
    if not lora.get("rank"):
        return rest, dict(params)
    return rest, _merged(params, lora.get("alpha", 32.0) / lora["rank"])


def _merged(tree: Any, scale: float) -> Any:
    if not isinstance(tree, Mapping):
        return tree
    merged = {name: _merged(value, scale) for name, value in tree.items() if name not in ("lora_a", "lora_b")}
    if "lora_a" in tree:
        kernel, a, b = (np.asarray(tree[name]) for name in ("kernel", "lora_a", "lora_b"))
        change = scale * np.matmul(a.astype(np.float32), b.astype(np.float32))
        merged["kernel"] = (kernel.astype(np.float32) + change).astype(kernel.dtype)
    return merged
