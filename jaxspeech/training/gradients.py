"""Transforms gradients before the optimizer sees them: adds noise, then clips, as NeMo does."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from jaxspeech.training.parameters import assign


def clip_by_global_norm(max_norm: float) -> optax.GradientTransformation:
    """Scales all gradients by min(1, max_norm / (norm + 1e-6)), as torch's clip_grad_norm_ does; 0: no clipping."""

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        factor = jnp.minimum(1.0, max_norm / (optax.tree.norm(updates) + 1e-6))
        return jax.tree.map(lambda g: g * factor, updates), state

    if not max_norm:
        return optax.identity()
    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


class NoiseState(NamedTuple):
    """The number of updates so far, which determines the noise."""

    count: Int[Array, ""]


def add_noise(
    *, std: float, decay: float = 0.0, start_step: int = 0, parameters: str = "", seed: int = 0
) -> optax.GradientTransformation:
    """Adds normal noise with standard deviation std / (1 + t)^(decay / 2) to the gradients at update t.

    A decay of 0.55 is that of Neelakantan et al. (2015); 0, from `start_step` on, is NeMo's variational noise.

    Args:
      std, decay: as in the formula.
      start_step: number of updates before the first noise.
      parameters: regular expression for the names of the parameters that get noise ("": all).
      seed: of the noise.
    """

    def masks(tree: Any) -> Any:
        return assign(tree, [(parameters, True)], default=False, option="optimizer.gradient_noise.parameters")

    def init(params: Any) -> NoiseState:
        masks(params)  # raises for a wrong pattern before the first step
        return NoiseState(jnp.zeros((), jnp.int32))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        key = jax.random.fold_in(jax.random.key(seed), state.count)
        leaves, treedef = jax.tree.flatten(updates)
        keys = jax.tree.unflatten(treedef, list(jax.random.split(key, len(leaves))))
        scale = jnp.where(state.count >= start_step, std * (1.0 + state.count) ** (-decay / 2), 0.0)

        def noisy(g: Any, key: Any, mask: Any) -> Any:
            if mask is False:
                return g
            return g + (scale * mask * jax.random.normal(key, g.shape)).astype(g.dtype)

        return jax.tree.map(noisy, updates, keys, masks(updates)), NoiseState(state.count + 1)

    return optax.GradientTransformation(init, update)
