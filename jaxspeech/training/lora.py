"""LoRA (Hu et al., 2022): W + (alpha / rank) A B in place of W, with A [D_in rank] and B [rank D_out] trained.

A is normal with variance 1 / D_in and B is 0, so that the model is unchanged at the start. The sum is formed before the
model runs: modules need not know of it, any matrix of any task can be adapted, and the saved model is an ordinary one.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.errors import ConfigError
from jaxspeech.training.parameters import assign, path_name
from jaxspeech.types import Variables

# The subtree of A and B, next to the model's own parameters: params/lora/encoder/layers/attention/query/{a,b}.
LORA = "lora"


class Lora:
    """LoRA of the matrices that match the patterns; each of several stacked layers has its own A and B."""

    def __init__(self, *, rank: int, alpha: int | float, targets: Sequence[str]):
        """Args: rank and alpha as in the equation; regular expressions for the names of matrices.

        Raises:
          ConfigError: the rank is below 1, or there is no target.
        """
        if rank < 1 or not targets:
            raise ConfigError(f"lora: rank {rank}, targets {tuple(targets)}; it needs a rank of 1 or more and a target")
        self._rank, self._scale, self._targets = rank, alpha / rank, tuple(targets)

    def init(self, variables: Variables, key: Any) -> Variables:
        """Adds A and B to the parameters of `variables`.

        Raises:
          ConfigError: a pattern matches nothing, or an array that is not a matrix.
        """
        params = variables["params"]
        leaves = jax.tree_util.tree_leaves_with_path(self._masks(params))
        matrices = {path_name(path): path for path, mask in leaves if np.any(mask)}
        tree: dict[str, Any] = {}
        for i, (name, path) in enumerate(matrices.items()):
            matrix = _at(params, path)
            stacked = int("/layers/" in f"/{name}")
            if matrix.ndim != stacked + 2:
                raise ConfigError(f"lora.targets: {name} {matrix.shape} is not a matrix")
            stack, (rows, columns) = matrix.shape[:stacked], matrix.shape[stacked:]
            normal = jax.random.normal(jax.random.fold_in(key, i), (*stack, rows, self._rank), matrix.dtype)
            parent = tree
            for part in path[:-1]:
                parent = parent.setdefault(part.key, {})
            # Under the matrix's own name, because some modules have several.
            parent[path[-1].key] = {
                "a": normal / math.sqrt(rows),
                "b": jnp.zeros((*stack, self._rank, columns), matrix.dtype),
            }
        return {**variables, "params": {**params, LORA: tree}}

    def merge(self, variables: Variables) -> Variables:
        """Returns the model's own variables, with (alpha / rank) A B added to its matrices."""
        params = {name: value for name, value in variables["params"].items() if name != LORA}
        tree = variables["params"][LORA]

        def merged(path: Any, matrix: Any, mask: Any) -> Any:
            if not np.any(mask):
                return matrix
            pair = _at(tree, path)
            change = self._scale * jnp.matmul(pair["a"], pair["b"], precision="highest")
            return matrix + (change if np.all(mask) else change * mask).astype(matrix.dtype)

        params = jax.tree_util.tree_map_with_path(merged, params, self._masks(params))
        return {**variables, "params": params}

    def _masks(self, params: Any) -> Any:
        return assign(params, [(target, True) for target in self._targets], default=False, option="lora.targets")


def with_lora(task: Any, lora: Lora) -> Any:
    """Returns the task with A and B among its parameters; its functions take the variables that its `init` returns."""

    def init(key: Any) -> Variables:
        return lora.init(task.init(key), jax.random.fold_in(key, 1))

    def merging(function: Any) -> Any:
        return lambda variables, *rest: function(lora.merge(variables), *rest)

    def adapted(part: Any) -> Any:
        """Adapts a function of variables, or those in a NamedTuple; plain values stay as they are."""
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            return type(part)(*map(adapted, part))
        return merging(part) if callable(part) else part

    return replace(
        task,
        init=init,
        phases=tuple(replace(phase, loss=merging(phase.loss)) for phase in task.phases),
        predict=merging(task.predict),
        inference=adapted(task.inference),
    )


def _at(tree: Any, path: Any) -> Any:
    for part in path:
        tree = tree[part.key]
    return tree
