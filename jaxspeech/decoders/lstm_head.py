"""A CTC head after LSTMs: NeMo's LSTMDecoder (asr/modules/lstm_decoder.py).

x = [lstm(x), reverse(lstm(reverse(x)))]   for each of L layers, or lstm(x) in one direction;   logits = W_out x + b_out

In NeMo the backward direction starts where the tensor ends, in the padding. Here it starts at a row's last frame.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.nn.both_directions import both_directions
from jaxspeech.nn.lstm import LSTM


class LSTMHead(nn.Module):
    """Computes logits of the V tokens and the blank (id V) for each encoder frame, from the frames around it.

    The LSTMs and the projection are separate methods: the former need to know where a row ends.

    Attributes:
      vocab_size: V.
      width: of each direction of a layer.
      num_layers: L.
      bidirectional: add a backward direction.
    """

    vocab_size: int
    width: int
    num_layers: int = 1
    bidirectional: bool = False
    dtype: Any = jnp.float32

    def setup(self) -> None:
        def lstms() -> list[LSTM]:
            return [LSTM(self.width, forget_bias=0.0, dtype=self.dtype) for _ in range(self.num_layers)]

        self.forward = lstms()
        self.backward = lstms() if self.bidirectional else []
        self.out = nn.Dense(self.vocab_size + 1, dtype=self.dtype, kernel_init=nn.initializers.glorot_uniform())

    def states(self, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"]) -> Float[Array, "B T H"]:
        """Runs the LSTMs over encoder frames."""
        x = encoded
        for i, forward in enumerate(self.forward):
            if self.bidirectional:
                x = both_directions(x, num_frames, forward, self.backward[i])
            else:
                x = forward.from_zeros(x)
        return x

    def __call__(self, states: Float[Array, "B T H"]) -> Float[Array, "B T W"]:
        """Computes logits from what `states` returned."""
        return self.out(states)

    @property
    def tokens(self) -> None:
        """None: all tokens share one softmax."""
        return
