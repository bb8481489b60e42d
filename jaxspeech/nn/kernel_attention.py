"""Self-attention with relative positions by GPU kernels, with its gradients; see `nn.attention_kernels`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float

from jaxspeech.nn.attention import Positional
from jaxspeech.nn.attention_kernels import (
    attend,
    key_gradients,
    position_gradients,
    position_scores,
    query_gradients,
)
from jaxspeech.nn.kernel_blocks import Inputs, Settings
from jaxspeech.nn.materialize import KEPT
from jaxspeech.randomness import words_of
from jaxspeech.row_parallel import kernels_over_rows


def attention_by_kernels(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B T H K"],
    value: Float[Array, "B T H K"],
    mask: Bool[Array, "#B T T"],
    positional: Positional,
    drawn: Any,
    *,
    rate: float,
    extra: int,
    settings: Settings | None = None,
) -> Float[Array, "B T H K"]:
    """Computes `nn.attention.attention` of whole recordings; `settings` are those of the kernels, dropout apart."""
    settings = (settings or Settings())._replace(dropped=0 if drawn is None else round(rate * 256))
    seed = jnp.zeros(2, jnp.uint32) if drawn is None else words_of(drawn)
    inputs = Inputs(
        seed,
        query,
        key,
        value,
        positional.bias_u,
        positional.bias_v,
        positional.keys.swapaxes(1, 2),
        jnp.pad(mask.astype(jnp.int8), ((0, 0), (0, extra), (0, extra))),
    )
    return kernel_attention(inputs, settings)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def kernel_attention(inputs: Inputs, settings: Settings) -> Float[Array, "B T H K"]:
    """Computes y; a query without any key yields zeros. Rows may be split over devices."""
    return _forward(inputs, settings)[0]


def _forward(inputs: Inputs, settings: Settings) -> tuple[Array, Any]:
    def of_a_device(inputs: Inputs) -> tuple[Array, Array]:
        return attend(inputs, position_scores(inputs, settings), settings)

    out, normalizer = (checkpoint_name(x, KEPT) for x in _over_rows(of_a_device, inputs))
    return out, (inputs, out, normalizer)


def _backward(settings: Settings, saved: Any, gradient: Array) -> tuple[Inputs]:
    inputs, out, normalizer = saved

    def of_a_device(inputs: Inputs, out: Array, normalizer: Array, gradient: Array) -> tuple[Array, ...]:
        delta = jnp.einsum("bthk,bthk->bht", out, gradient, preferred_element_type=jnp.float32)
        scores = position_scores(inputs, settings)
        by_key, by_value, by_scores = key_gradients(inputs, scores, gradient, normalizer, delta, settings)
        by_query, by_biases = query_gradients(inputs, by_scores, settings)
        by_positions = position_gradients(inputs, by_scores, settings)
        return by_query, by_key, by_value, by_biases, by_positions

    results = _over_rows(of_a_device, inputs, out, normalizer, gradient)
    by_query, by_key, by_value, by_biases, by_positions = results
    by_u, by_v = by_biases.sum((0, 2)).swapaxes(0, 1).astype(inputs.bias_u.dtype)
    return (
        Inputs(
            seed=None,  # pyright: ignore[reportArgumentType]
            query=by_query,
            key=by_key,
            value=by_value,
            bias_u=by_u,
            bias_v=by_v,
            positions=by_positions.sum(0).astype(inputs.positions.dtype),
            mask=None,  # pyright: ignore[reportArgumentType]
        ),
    )


kernel_attention.defvjp(_forward, _backward)


def _over_rows(function: Callable[..., Any], inputs: Inputs, *arrays: Array) -> Any:
    """Runs the kernels on each device with its rows."""
    of_rows = {name: getattr(inputs, name) for name in ("query", "key", "value", "mask")}
    if inputs.mask.shape[0] == 1:  # for all rows
        del of_rows["mask"]

    def of_a_device(first: Any, inputs: Inputs, of_rows: dict[str, Array], *arrays: Array) -> Any:
        seed = jnp.stack([*inputs.seed, jnp.asarray(first, jnp.uint32)])
        return function(inputs._replace(seed=seed, **of_rows), *arrays)

    whole = inputs._replace(**dict.fromkeys(of_rows))
    return kernels_over_rows(of_a_device, whole, of_rows, *arrays)
