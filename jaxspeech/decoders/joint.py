"""The joint network of transducers (Graves et al., "Speech Recognition with Deep Recurrent Neural Networks", 2013).

logits = act(encoded W_enc + b_enc + predicted W_pred + b_pred) W_out + b_out

With adapters (see `nn.adapter`) the sum x becomes x + Adapter(x), for each of them, before the activation.
"""

import math
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.adapter import Adapter, LinearAdapter
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.initializers import uniform_within

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


class JointNetwork(nn.Module):
    """The joint network: W_enc, W_pred and W_out of the equation above."""

    joint_width: int
    num_outputs: int
    activation: Literal["relu", "tanh", "sigmoid"]
    dropout: float
    dtype: Any
    languages: tuple[str, ...] = ()
    adapters: tuple[Adapter, ...] = ()

    def setup(self) -> None:
        # Uniform in +-1/sqrt(fan_in), without knowing the encoder's width here.
        kernel_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        bias_init = uniform_within(1 / math.sqrt(self.joint_width))
        self.encoded = nn.Dense(self.joint_width, dtype=self.dtype, kernel_init=kernel_init, bias_init=bias_init)
        self.predicted = nn.Dense(self.joint_width, dtype=self.dtype, kernel_init=kernel_init, bias_init=bias_init)
        self.out: Any  # one layer, or one for each language
        if self.languages:
            count = (self.num_outputs - 1) // len(self.languages)
            self.out = {language: Output(self.joint_width, count + 1) for language in self.languages}
        else:
            self.out = Output(self.joint_width, self.num_outputs)
        self.drop = Dropout(self.dropout)
        self.added = [
            LinearAdapter(adapter.width or 0, self.dtype, name=f"adapter_{adapter.name}") for adapter in self.adapters
        ]

    def enabled_adapters(self) -> list[LinearAdapter]:
        """The adapters that are applied; all get their variables here."""
        if self.is_initializing():
            for module in self.added:
                module(jnp.zeros((1, self.joint_width)))
        return [module for module, adapter in zip(self.added, self.adapters, strict=True) if adapter.enabled]

    def logits(
        self,
        encoded: Float[Array, "... J"],
        predicted: Float[Array, "... J"],
        out: "Output",
        *,
        train: bool,
        activation: str | None = None,
    ) -> Float[Array, "... W"]:
        """Computes logits from projected frames with an output layer; `activation` replaces that of the network."""
        summed = encoded + predicted
        for adapter in self.enabled_adapters():
            summed += adapter(summed)
        hidden = self.drop(ACTIVATIONS[activation or self.activation](summed), train=train)
        return hidden @ out.kernel.astype(self.dtype) + out.bias.astype(self.dtype)


class Output(nn.Module):
    """W_out and its bias, as separate arrays for the losses, which apply them block by block."""

    width: int
    num_outputs: int

    def setup(self) -> None:
        init = uniform_within(1 / math.sqrt(self.width))
        self.kernel = self.param("kernel", init, (self.width, self.num_outputs))
        self.bias = self.param("bias", init, (self.num_outputs,))
