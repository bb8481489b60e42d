"""Quantizes frames by a Gumbel softmax over codes that are learned with the model (Baevski et al., 2020, section 2).

l = W x + b;   id_g = argmax_v l_gv;   p = softmax((l + n) / tau), n Gumbel noise;   y = [c_argmax p_1, c_argmax p_2]

Groups have logits of their own and share the codes c. The gradient is that of y with p in place of the argmax.
Without training there is no noise. The codes of a batch are to be used evenly:

perplexity_g = exp(- sum_v m_gv log m_gv),   m = mean of softmax(l) over frames;   loss = 1 - sum_g perplexity_g / (G V)

Source: NeMo's asr/parts/submodules/ssl_quantizers.py, with combine_groups.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError

# Added to a probability in its logarithm.
GUARD = 1e-7


class Targets(NamedTuple):
    """Targets of a contrastive loss.

    Attributes:
      values: of each frame.
      same: what is equal where two values are.
      ids: codes of each frame in each group, without noise; none for targets that are not quantized.
      codes: from which values are made; none for targets that are not quantized.
      logits: of the codes.
    """

    values: Float[Array, "B T D"]
    same: Any
    ids: Int[Array, "B T G"]
    codes: Float[Array, "V K"]
    logits: Float[Array, "B T G V"]


class GumbelQuantizer(nn.Module):
    """Quantizes each frame in groups.

    Attributes:
      size: V, the codes.
      width: D, of a value, which is split between the groups.
      groups: G.

    Raises:
      ConfigError: the width cannot be split between the groups.
    """

    size: int = 320
    width: int = 128
    groups: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.size, self.width, self.groups) < 1 or self.width % self.groups:
            raise ConfigError(
                f"model.quantizer: size {self.size}, width {self.width}, groups {self.groups}: they must be at least "
                "1, and the groups must divide the width"
            )

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T F"], noise: Float[Any, "B T G V"] | None, temperature: Any = 1.0
    ) -> Targets:
        """Quantizes frames.

        Args:
          x: the frames.
          noise: Gumbel noise in training; None: there is none, and the ids are those of the values.
          temperature: tau.
        """
        shape = *x.shape[:2], self.groups, self.size
        project = nn.Dense(self.groups * self.size, kernel_init=nn.initializers.normal(1.0), name="logits")
        logits = project(x).astype(jnp.float32).reshape(shape)
        codes = self.param("codes", nn.initializers.uniform(1.0), (self.size, self.width // self.groups))
        ids = logits.argmax(-1)
        if noise is None:
            chosen, hard = ids, jax.nn.one_hot(ids, self.size)
        else:
            soft = jax.nn.softmax((logits + noise) / temperature, -1)
            chosen = soft.argmax(-1)
            hard = jax.nn.one_hot(chosen, self.size)
            hard = hard - jax.lax.stop_gradient(soft) + soft
        values = jnp.einsum("btgv,vk->btgk", hard, codes)
        return Targets(values.reshape(*x.shape[:2], self.width), chosen, ids, codes, logits)

    @property
    def num_codes(self) -> int:
        """V."""
        return self.size

    @property
    def num_ids(self) -> int:
        """The number of different values."""
        return self.size**self.groups


class LinearTargets(nn.Module):
    """Projects frames to targets, without codes.

    Attributes:
      width: D, of a target.
    """

    width: int = 128

    @nn.compact
    def __call__(self, x: Float[Array, "B T F"], noise: None = None, temperature: Any = 1.0) -> Targets:
        """Projects frames; the other arguments are those of `GumbelQuantizer`."""
        del noise, temperature
        values = nn.Dense(self.width, name="out")(x)
        none = jnp.zeros((*x.shape[:2], 0), jnp.int32)
        return Targets(values, values, none, jnp.zeros((0, self.width)), jnp.zeros((*none.shape, 0)))

    @property
    def num_codes(self) -> int:
        """There are no codes."""
        return 0

    @property
    def num_ids(self) -> int:
        """There are no ids."""
        return 0


def joint_ids(ids: Int[Array, "B T G"], size: int) -> Int[Array, "B T"]:
    """Returns one number for the ids of all groups: id_0 V + id_1."""
    joint = jnp.zeros(ids.shape[:2], jnp.int32)
    for group in range(ids.shape[2]):
        joint = joint * size + ids[..., group]
    return joint


def perplexities(logits: Float[Array, "B T G V"], counted: Bool[Any, "B T"]) -> Float[Array, " G"]:
    """Returns exp of the entropy of the mean probabilities in each group, over the frames that count; 1 without any."""
    shares = jnp.where(jnp.asarray(counted)[:, :, None, None], jax.nn.softmax(logits, -1), 0)
    mean = shares.sum((0, 1)) / jnp.maximum(jnp.asarray(counted).sum(), 1)
    return jnp.exp(-(mean * jnp.log(mean + GUARD)).sum(-1))
