"""A language model of long short-term memory.

x = E[ids]
x = LSTM(x)                                                          L layers
logits = dropout(x) E^T + b
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.token_table import TokenTable
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.lstm import LSTM, LSTMState
from jaxspeech.types import Size


class LanguageLSTM(nn.Module):
    """A stack of LSTM layers over tokens.

    Attributes:
      vocab_size: V.
      width, num_layers: D, L.
      cell_width: of the cells, whose outputs are projected to the width; None: cells of that width, not projected.
      dropout: of the embeddings, between the layers, and before the output layer.
      dtype: of the matrix products.
    """

    vocab_size: int
    width: int = 512
    num_layers: int = 2
    cell_width: int | None = None
    dropout: float = 0.1
    dtype: Any = jnp.float32

    def setup(self) -> None:
        self.tokens = TokenTable(self.vocab_size, self.width, self.dtype)
        self.lstm = LSTM(self.width, self.num_layers, self.dropout, dtype=self.dtype, cell_width=self.cell_width)
        self.drop_in, self.drop_out = Dropout(self.dropout), Dropout(self.dropout)

    def __call__(self, ids: Int[Any, "B N"], *, train: bool = False) -> Float[Array, "B N D"]:
        """Computes the states after each token, from which `logits` gives the scores of the next one."""
        return self._run(ids, self.initial_state(len(ids)), train=train)[0]

    def logits(self, states: Float[Array, "*rows D"]) -> Float[Array, "*rows W"]:
        """Computes the scores of the next token; the last of the W = V + 1 is that of the end."""
        return self.tokens.logits(states)

    def initial_state(self, batch: Size) -> LSTMState:
        """Returns the state before the first token."""
        shape = (batch, self.num_layers)
        return LSTMState(jnp.zeros((*shape, self.width)), jnp.zeros((*shape, self.cell_width or self.width)))

    def step(self, ids: Int[Array, " B"], state: LSTMState) -> tuple[Float[Array, "B W"], LSTMState]:
        """Adds a token to each row; returns the logits of the next one, and the state with it."""
        states, state = self._run(ids[:, None], state, train=False)
        return self.logits(states[:, 0]), state

    def _run(self, ids: Int[Any, "B N"], state: LSTMState, *, train: bool) -> tuple[Float[Array, "B N D"], LSTMState]:
        x, state = self.lstm(self.drop_in(self.tokens(ids), train=train), state, train=train)
        return self.drop_out(x, train=train), state
