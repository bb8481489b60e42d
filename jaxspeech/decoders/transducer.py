"""The decoder of a transducer: a prediction network over the labels so far, and the joint of it and the encoder.

predicted_u = Prediction(y_1 .. y_u)                                  u = 0 .. U
logits_t,u  = act(encoded_t W_enc + b_enc + predicted_u W_pred + b_pred) W_out + b_out

Source: Graves, "Sequence Transduction with Recurrent Neural Networks" (2012); joint of Graves et al. (2013);
stateless prediction: Ghodsi et al., "RNN-Transducer with Stateless Prediction Network" (ICASSP 2020).
"""

import math
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.initializers import uniform_within
from jaxspeech.nn.lstm import LSTM, LSTMState
from jaxspeech.types import Size

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}
CHOICES = {"prediction": ("lstm", "stateless"), "context_norm": ("layer", "none"), "activation": tuple(ACTIVATIONS)}


class JointInputs(NamedTuple):
    """All that a transducer loss needs: logits = act(encoded + predicted) @ kernel + bias."""

    encoded: Float[Array, "B T J"]
    predicted: Float[Array, "B N J"]  # N = U + 1: before the first label, and behind each
    kernel: Float[Array, "J W"]
    bias: Float[Array, " W"]


class TransducerDecoder(nn.Module):
    """Prediction network and joint, for RNN-T, TDT and multi-blank RNN-T.

    The W outputs are V tokens, big blanks (the longest last), the blank, and for TDT one for each duration.

    Attributes:
      vocab_size: V; the blank's id is V where there are no big blanks.
      prediction: "lstm", or "stateless": the last labels' embeddings side by side.
      width: of the prediction network.
      num_layers: of the LSTM.
      cell_width: of its cells, which are then projected to the width; None: they have the width and are not.
      context: labels that the stateless network sees.
      context_norm: whether its output is normalised, "layer" or "none".
      joint_width: J.
      activation: of the joint: "relu", "tanh" or "sigmoid".
      dropout: of the prediction network.
      joint_dropout: behind the joint's activation.
      durations: TDT: how many frames an output may cover.
      big_blanks: multi-blank RNN-T: how many frames each big blank covers.
      dtype: of the matrix products.
    """

    vocab_size: int
    prediction: Literal["lstm", "stateless"] = "lstm"
    width: int = 640
    num_layers: int = 1
    cell_width: int | None = None
    context: int = 2
    context_norm: Literal["layer", "none"] = "none"
    joint_width: int = 640
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    dropout: float = 0.2
    joint_dropout: float = 0.2
    durations: tuple[int, ...] = ()
    big_blanks: tuple[int, ...] = ()
    dtype: Any = jnp.float32

    @property
    def blank_id(self) -> int:
        """The blank comes behind the tokens and the big blanks."""
        return self.vocab_size + len(self.big_blanks)

    def setup(self) -> None:
        for field, choices in CHOICES.items():
            if getattr(self, field) not in choices:
                raise ConfigError(
                    f"decoder.{field} {getattr(self, field)!r}{did_you_mean(getattr(self, field), choices)}"
                )
        if self.prediction == "lstm":
            self.network = LSTMPrediction(
                self.vocab_size,
                self.width,
                self.num_layers,
                self.cell_width,
                self.dropout,
                self.dtype,
                name="prediction",
            )
        else:
            self.network = StatelessPrediction(
                self.vocab_size,
                self.width,
                self.context,
                self.context_norm,
                self.dropout,
                self.dtype,
                name="prediction",
            )
        self.joint = Joint(
            joint_width=self.joint_width,
            num_outputs=self.blank_id + 1 + len(self.durations),
            activation=self.activation,
            dropout=self.joint_dropout,
            dtype=self.dtype,
        )

    def __call__(
        self, encoded: Float[Array, "B T D"], labels: Int[Any, "B U"], *, train: bool = False
    ) -> Float[Array, "B T N W"]:
        """All logits at once, N = U + 1: for research and tests, the memory is what it looks like."""
        inputs = self.joint_inputs(encoded, labels, train=train)
        return self.joint.logits(inputs.encoded[:, :, None], inputs.predicted[:, None], train=train)

    def joint_inputs(
        self, encoded: Float[Array, "B T D"], labels: Int[Any, "B U"], *, train: bool = False
    ) -> JointInputs:
        """Both sides of the joint, projected, and its output layer."""
        started = jnp.pad(jnp.asarray(labels), ((0, 0), (1, 0)), constant_values=self.vocab_size)
        predicted, _ = self.network(started, self.initial_state(len(labels)), train=train)
        joint = self.joint
        return JointInputs(joint.encoded(encoded), joint.predicted(predicted), joint.out.kernel, joint.out.bias)

    def initial_state(self, batch: Size) -> Any:
        """The prediction network before the first label: arrays with a leading batch axis."""
        if self.prediction == "lstm":
            shape = (batch, self.num_layers)
            return LSTMState(jnp.zeros((*shape, self.width)), jnp.zeros((*shape, self.cell_width or self.width)))
        return jnp.full((batch, self.context - 1), self.vocab_size, jnp.int32)

    def project(self, encoded: Float[Array, "B T D"]) -> Float[Array, "B T J"]:
        """Encoder frames as `logits` takes them."""
        return self.joint.encoded(encoded)

    def predict(self, labels: Int[Array, " B"], state: Any) -> tuple[Float[Array, "B J"], Any]:
        """One more label for each row; whatever is no token, such as the blank, is the start of the utterance."""
        predicted, state = self.network(labels[:, None], state, train=False)
        return self.joint.predicted(predicted)[:, 0], state

    def logits(self, encoded: Float[Array, "... J"], predicted: Float[Array, "... J"]) -> Float[Array, "... W"]:
        """The joint of two projected sides, whose leading axes broadcast."""
        return self.joint.logits(encoded, predicted, train=False)


class Embedding(nn.Module):
    """One row for each token; every other id, such as a blank, is the zero vector."""

    vocab_size: int
    width: int

    @nn.compact
    def __call__(self, ids: Int[Array, "B N"]) -> Float[Array, "B N D"]:
        table = self.param("table", nn.initializers.normal(1.0), (self.vocab_size, self.width))
        return jnp.take(table, jnp.where(ids < 0, self.vocab_size, ids), axis=0, mode="fill", fill_value=0)


class LSTMPrediction(nn.Module):
    """Embedding, LSTM, dropout."""

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
    """The embeddings of the last `context` labels side by side, the newest first and widest.

    The state is the labels before the next one: [B context-1], the oldest first.
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


class Joint(nn.Module):
    """W_enc, W_pred and W_out of the equation above."""

    joint_width: int
    num_outputs: int
    activation: Literal["relu", "tanh", "sigmoid"]
    dropout: float
    dtype: Any

    def setup(self) -> None:
        # Uniform in +-1/sqrt(fan_in), whatever the encoder's width turns out to be.
        kernel_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        bias_init = uniform_within(1 / math.sqrt(self.joint_width))
        self.encoded = nn.Dense(self.joint_width, dtype=self.dtype, kernel_init=kernel_init, bias_init=bias_init)
        self.predicted = nn.Dense(self.joint_width, dtype=self.dtype, kernel_init=kernel_init, bias_init=bias_init)
        self.out = Output(self.joint_width, self.num_outputs)
        self.drop = Dropout(self.dropout)

    def logits(
        self, encoded: Float[Array, "... J"], predicted: Float[Array, "... J"], *, train: bool
    ) -> Float[Array, "... W"]:
        """Of sides that are projected already."""
        hidden = self.drop(ACTIVATIONS[self.activation](encoded + predicted), train=train)
        return hidden @ self.out.kernel.astype(self.dtype) + self.out.bias.astype(self.dtype)


class Output(nn.Module):
    """W_out and its bias, at hand for the losses, which apply them block by block."""

    width: int
    num_outputs: int

    def setup(self) -> None:
        init = uniform_within(1 / math.sqrt(self.width))
        self.kernel = self.param("kernel", init, (self.width, self.num_outputs))
        self.bias = self.param("bias", init, (self.num_outputs,))
