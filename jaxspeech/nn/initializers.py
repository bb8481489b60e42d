"""Weight initialisers, all uniform, with the bounds of the published recipes."""

import math
from functools import cache
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxspeech.nn.products import dot_general


@cache
def uniform_within(bound: float) -> Any:
    """Returns an initialiser that draws from U(-bound, bound)."""

    def init(key: Any, shape: Any, dtype: Any = jnp.float32) -> Any:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


# Glorot and Bengio (2010); time-depth separable convolutions (Hannun et al., 2019).
CONVOLUTIONAL_INITS = ("xavier_uniform", "tds_uniform")


def convolutional(kind: str, fan_in: int, fan_out: int) -> Any:
    """Returns an initialiser for the convolutional encoders; `kind` is one of CONVOLUTIONAL_INITS."""
    return uniform_within(math.sqrt(6.0 / (fan_in + fan_out)) if kind == "xavier_uniform" else 2.0 / math.sqrt(fan_in))


def dense(features: int, fan_in: int, *, name: str, dtype: Any, use_bias: bool = True) -> nn.Dense:
    """Returns an `nn.Dense` initialised from U(+-1/sqrt(fan_in)); parameters are float32, products in `dtype`."""
    init = uniform_within(1.0 / math.sqrt(fan_in))
    return nn.Dense(
        features, use_bias=use_bias, dtype=dtype, kernel_init=init, bias_init=init, dot_general=dot_general, name=name
    )
