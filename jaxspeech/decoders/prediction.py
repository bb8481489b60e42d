"""Prediction networks of transducers: what they know of the labels so far.

predicted_u, state_u = Prediction(y_u, state_{u-1})

Sources: Graves, "Sequence Transduction with Recurrent Neural Networks" (2012), an LSTM; Ghodsi et al., "RNN-Transducer
with Stateless Prediction Network" (ICASSP 2020).
"""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.lstm import LSTM, LSTMState


class Embedding(nn.Module):
    """A table of embeddings, one per token; any other id, for example a blank, gives the zero vector."""

    vocab_size: int
    width: int

    @nn.compact
    def __call__(self, ids: Int[Array, "B N"]) -> Float[Array, "B N D"]:
        table = self.param("table", nn.initializers.normal(1.0), (self.vocab_size, self.width))
        return jnp.take(table, jnp.where(ids < 0, self.vocab_size, ids), axis=0, mode="fill", fill_value=0)


class LSTMPrediction(nn.Module):
    """A prediction network of embedding, LSTM and dropout."""

    vocab_size: int
    width: int
    num_layers: int
    cell_width: int | None
    dropout: float
    dtype: Any

    def setup(self) -> None:
        self.embedding = Embedding(self.vocab_size, self.width)
        self.lstm = LSTM(self.width, self.num_layers, self.dropout, dtype=self.dtype, cell_width=self.cell_width)
        self.drop = Dropout(self.dropout)

    def __call__(
        self, labels: Int[Array, "B N"], state: LSTMState, *, train: bool
    ) -> tuple[Float[Array, "B N D"], LSTMState]:
        outputs, state = self.lstm(self.embedding(labels), state, train=train)
        return self.drop(outputs, train=train), state


class StatelessPrediction(nn.Module):
    """A prediction network that concatenates the embeddings of the last `context` labels, the newest first and widest.

    The state holds the labels before the next one: [B context-1], the oldest first.
    """

    vocab_size: int
    width: int
    context: int
    norm: Literal["layer", "none"]
    dropout: float
    dtype: Any

    def setup(self) -> None:
        older = self.width // 2 // self.context
        widths = [self.width - older * (self.context - 1), *[older] * (self.context - 1)]
        self.embeddings = [Embedding(self.vocab_size, width, name=f"embedding_{i}") for i, width in enumerate(widths)]
        self.drop = Dropout(self.dropout)
        self.normalize = nn.LayerNorm(epsilon=1e-5, use_scale=False, use_bias=False) if self.norm == "layer" else None

    def __call__(
        self, labels: Int[Array, "B N"], state: Int[Array, "B C"], *, train: bool
    ) -> tuple[Float[Array, "B N D"], Int[Array, "B C"]]:
        history = jnp.concatenate([state, labels], axis=1)
        num = labels.shape[1]
        parts = [
            embedding(jax.lax.dynamic_slice_in_dim(history, self.context - 1 - i, num, axis=1))
            for i, embedding in enumerate(self.embeddings)
        ]
        outputs = self.drop(jnp.concatenate(parts, axis=-1), train=train)
        outputs = outputs if self.normalize is None else self.normalize(outputs)
        return outputs.astype(self.dtype), history[:, num:]
