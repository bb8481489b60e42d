"""Caches the projections of relative positions, which are the same for every recording.

For one recording of 20 s they are a ninth of the cost of all matrix products of a 115M FastConformer.
"""

import math
from collections.abc import Callable
from typing import Any

import jax

from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.encoders.squeezeformer import Squeezeformer
from jaxspeech.nn.attention import POSITIONS, split_positions
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.positions import relative_positions
from jaxspeech.nn.products import products_in
from jaxspeech.types import Variables

# The path of the projection's weights in attention.
KERNEL = ("position", "kernel")


class KeptPositions:
    """`kept.beside(variables)` adds a model's projected positions to its variables.

    Args:
      model: whose variables they are; nothing is cached for a model without relative positions.
      seconds: the longest recordings that use the cache; longer ones compute their own projections. For 40 s and 115M
        parameters the cache takes 37 MB.
      run: (function, *arguments) -> the function's result; the function depends only on `model` and `seconds`.
    """

    def __init__(self, model: Any, *, seconds: float, run: Callable[..., Any] = lambda f, *xs: jax.jit(f)(*xs)):
        self._encoder: Any = getattr(model, "encoder", None)
        self._run = run
        self._product_dtype = getattr(model, "product_dtype", None)
        self._frames = math.ceil(seconds / model.frame_seconds) + 1 if self._has_projections else 0
        self._kernels: dict[tuple[str, ...], Any] = {}
        self._kept: Any = {}

    @property
    def _has_projections(self) -> bool:
        return isinstance(self._encoder, FastConformer | Squeezeformer) and self._encoder.attention == "rel_pos"

    def beside(self, variables: Variables) -> Variables:
        """The variables with the projections, which are recomputed if the weights differ from the last call."""
        kernels = self._find(variables["params"].get("encoder", {}))
        if kernels.keys() != self._kernels.keys() or any(self._kernels[path] is not kernels[path] for path in kernels):
            self._kernels, self._kept = kernels, self._project(kernels)
        return {**variables, POSITIONS: self._kept} if self._kept else variables

    def _find(self, encoder: dict[str, Any]) -> dict[tuple[str, ...], Any]:
        """The weights of the projections, by path; empty if layers are stacked."""
        if not self._has_projections:
            return {}
        leaves = {tuple(key.key for key in path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(encoder)}
        # Those of adapters, which may have other heads, are computed for each recording.
        of_layers = {path: leaf for path, leaf in leaves.items() if not any(map(_of_adapter, path))}
        return {path: leaf for path, leaf in of_layers.items() if path[-len(KERNEL) :] == KERNEL and leaf.ndim == 2}

    def _project(self, kernels: dict[tuple[str, ...], Any]) -> dict[str, Any]:
        """Computes the collection that attention reads."""
        kept: dict[str, Any] = {}
        if not kernels:
            return kept
        for path, keys in zip(kernels, self._run(self._keys, tuple(kernels.values())), strict=True):
            place = kept
            for name in ("encoder", *path[: -len(KERNEL)]):
                place = place.setdefault(name, {})
            place["keys"] = keys
        return kept

    def _keys(self, kernels: tuple[Any, ...]) -> tuple[Any, ...]:
        """Projects the positions with the weights of each layer."""
        encoder, reach = self._encoder, self._frames - 1
        projection = dense(encoder.width, encoder.width, name="position", dtype=encoder.dtype, use_bias=False)
        positions = relative_positions(reach, reach, encoder.width).astype(encoder.dtype)
        with products_in(self._product_dtype):
            projected: Any = [projection.apply({"params": {"kernel": kernel}}, positions) for kernel in kernels]
        return tuple(split_positions(keys, encoder.num_heads) for keys in projected)


def _of_adapter(name: str) -> bool:
    return name.startswith("adapter_")
