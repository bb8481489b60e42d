"""Adapters: small modules whose output is added to the frames of a trained model.

    linear     W_down swish(W_up norm x)                 (Houlsby et al., 2019), NeMo's LinearAdapter
    attention  W_out attention(W_q norm x, W_k norm x, W_v norm x)
    relative   the same with Transformer-XL's relative positions, which W_p projects

The last layer is initialised to zero, so the model is unchanged until the adapter is trained. Queries, keys and values
may be narrower than x, which is the `proj_dim` of NeMo's MultiHeadAttentionAdapter and its relative counterpart.

Source: NeMo collections/common/parts/adapter_modules.py, collections/asr/parts/submodules/adapters.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxspeech.errors import ConfigError
from jaxspeech.nn.attention import SelfAttention
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.initializers import uniform_within
from jaxspeech.nn.normalization import LayerNorm

ATTENTION = ("attention", "relative")


@dataclass(frozen=True)
class Adapter:
    """The options of an adapter that is in every layer of an encoder, or in a transducer.

    Attributes:
      name: of the adapter; its variables are `adapter_NAME` of each layer.
      kind: "linear" after the layer, "attention" or "relative" after the layer's own attention.
      width: of the bottleneck of "linear"; of queries, keys and values of the others, None for the model's.
      num_heads: of attention.
      dropout: of the output of "linear", of the weights of attention.
      enabled: whether it is applied; its variables are part of the model either way.
    """

    name: str
    kind: Literal["linear", "attention", "relative"] = "linear"
    width: int | None = None
    num_heads: int = 4
    dropout: float = 0.0
    enabled: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.name):
            raise ConfigError(f"adapter name {self.name!r}: use letters, digits, _ and -")
        if self.kind not in ("linear", *ATTENTION):
            raise ConfigError(f"adapter {self.name}: kind {self.kind!r} must be linear, attention or relative")
        if self.kind == "linear" and not self.width:
            raise ConfigError(f"adapter {self.name}: a linear adapter needs the width of its bottleneck")
        if self.width and self.kind in ATTENTION and self.width % self.num_heads:
            raise ConfigError(f"adapter {self.name}: width {self.width} cannot be split into {self.num_heads} heads")


class LinearAdapter(nn.Module):
    """The linear adapter of the equation above, without biases.

    Attributes:
      hidden: width of the bottleneck.
      dropout: of the output.
    """

    hidden: int
    dtype: Any = jnp.float32
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: Float[Array, "*shape D"], *, train: bool = False) -> Float[Array, "*shape D"]:
        width = x.shape[-1]
        up = nn.Dense(self.hidden, use_bias=False, dtype=self.dtype, kernel_init=uniform_within(width**-0.5), name="up")
        down = nn.Dense(width, use_bias=False, dtype=self.dtype, kernel_init=nn.initializers.zeros_init(), name="down")
        y = down(jax.nn.swish(up(LayerNorm(dtype=self.dtype, name="norm")(x))))
        return Dropout(self.dropout)(y, train=train)


def add_linear_adapters(
    module: nn.Module, x: Float[Array, "*shape D"], adapters: Iterable[Adapter], *, dtype: Any, train: bool
) -> Float[Array, "*shape D"]:
    """Applies the linear ones among `adapters` in their order, x += LinearAdapter(x), as parts of `module`.

    It is called in the compact method of the module. Those that are not enabled only have variables.
    """
    for adapter in adapters:
        if adapter.kind == "linear" and (adapter.enabled or module.is_initializing()):
            assert adapter.width
            linear = LinearAdapter(adapter.width, dtype, adapter.dropout, name=f"adapter_{adapter.name}")
            x += linear(x, train=train)
    return x


class AdaptedFrames(nn.Module):
    """Frames with what linear adapters add to them."""

    adapters: tuple[Adapter, ...] = ()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*shape D"], *, train: bool = False) -> Float[Array, "*shape D"]:
        return add_linear_adapters(self, x, self.adapters, dtype=self.dtype, train=train)


def check_linear(place: str, adapters: Iterable[Adapter]) -> None:
    """Checks the adapters of a part whose frames cannot attend to one another.

    Raises:
      ConfigError: one of them attends, or two have the same name.
    """
    names = [adapter.name for adapter in adapters]
    if len(set(names)) < len(names):
        raise ConfigError(f"{place} {', '.join(names)}: each must have a name of its own")
    for adapter in adapters:
        if adapter.kind != "linear":
            raise ConfigError(f"{place}: {adapter.name} is {adapter.kind}; here adapters can only be linear")


class AttentionAdapter(nn.Module):
    """The attention of the equation above.

    Attributes:
      num_heads, inner_width, dropout, dtype: as in `nn.attention.SelfAttention`.
    """

    num_heads: int
    inner_width: int | None = None
    dropout: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B T D"],
        mask: Bool[Array, "#B #T S"],
        positions: Float[Array, "R D"] | None,
        *,
        train: bool = False,
    ) -> Float[Array, "B T D"]:
        attention = SelfAttention(
            self.num_heads,
            dropout=self.dropout,
            dtype=self.dtype,
            inner_width=self.inner_width,
            zero_output=True,
            name="attention",
        )
        return attention(LayerNorm(dtype=self.dtype, name="norm")(x), mask, positions, train=train)
