"""The transducer decoder: a prediction network over the labels so far, and a joint network with the encoder.

predicted_u = Prediction(y_1 .. y_u)                                  u = 0 .. U
logits_t,u  = act(encoded_t W_enc + b_enc + predicted_u W_pred + b_pred) W_out + b_out

Source: Graves, "Sequence Transduction with Recurrent Neural Networks" (2012); joint of Graves et al. (2013);
stateless prediction: Ghodsi et al., "RNN-Transducer with Stateless Prediction Network" (ICASSP 2020).
"""

from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.joint import ACTIVATIONS, JointNetwork, Output
from jaxspeech.decoders.languages import LanguageTokens, tokens_of
from jaxspeech.decoders.prediction import LSTMPrediction, StatelessPrediction
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.nn.adapter import AdaptedFrames, Adapter, check_linear
from jaxspeech.nn.lstm import LSTMState
from jaxspeech.types import Size

CHOICES = {"prediction": ("lstm", "stateless"), "context_norm": ("layer", "none"), "activation": tuple(ACTIVATIONS)}


class AdapterWeights(NamedTuple):
    """What an adapter adds to x: swish(norm(x) up) down."""

    scale: Float[Array, " J"]
    bias: Float[Array, " J"]
    up: Float[Array, "J A"]
    down: Float[Array, "A J"]


class JointInputs(NamedTuple):
    """The inputs of a transducer loss: logits = act(adapted(encoded + predicted)) @ kernel + bias."""

    encoded: Float[Array, "B T J"]
    predicted: Float[Array, "B N J"]  # N = U + 1: before the first label, and after each label
    kernel: Float[Array, "J W"]
    bias: Float[Array, " W"]
    adapters: tuple[AdapterWeights, ...] = ()


class TransducerDecoder(nn.Module):
    """Prediction network and joint network for RNN-T, TDT and multi-blank RNN-T.

    The W outputs are the V tokens, the big blanks (the longest last), the blank, and for TDT one for each duration.

    Attributes:
      vocab_size: V; the blank's id is V if there are no big blanks.
      prediction: "lstm", or "stateless": the concatenated embeddings of the last labels.
      width: of the prediction network.
      num_layers: of the LSTM.
      cell_width: of its cells, whose outputs are projected to the width; None: cells of that width, not projected.
      context: number of labels that the stateless network depends on.
      context_norm: norm of its output, "layer" or "none".
      joint_width: J.
      activation: of the joint network: "relu", "tanh" or "sigmoid".
      dropout: of the prediction network.
      joint_dropout: after the joint network's activation.
      durations: for TDT, the numbers of frames that an output may cover.
      big_blanks: for multi-blank RNN-T, the number of frames that each big blank covers.
      dtype: of the matrix products.
      languages: each has an output layer of its own for its share of the tokens; empty: all tokens share one (see
        `languages`). The prediction network counts tokens from the language's first.
      language: the one of them that is spoken.
      hat: a hybrid autoregressive transducer (Variani et al., 2020): the blank has a probability of its own, the
        sigmoid of its logit, and the labels a softmax without it. `logits` are then log-probabilities of the tokens.
      blank_activation: of the joint network for a HAT's blank; None: the same as for the labels.
      prediction_adapters, joint_adapters: linear adapters (see `nn.adapter`) after the prediction network, and before
        the activation of the joint.
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
    languages: tuple[str, ...] = ()
    language: str | None = None
    hat: bool = False
    blank_activation: Literal["relu", "tanh", "sigmoid"] | None = None
    prediction_adapters: tuple[Adapter, ...] = ()
    joint_adapters: tuple[Adapter, ...] = ()

    @property
    def joint_activation(self) -> str:
        """The activation of `JointInputs`; "relu+tanh" has the blank's in the second half of the joint's width."""
        return f"{self.activation}+{self.blank_activation}" if self._blank_apart else self.activation

    @property
    def _blank_apart(self) -> bool:
        return self.blank_activation not in (None, self.activation)

    @property
    def tokens(self) -> LanguageTokens | None:
        """The tokens of the chosen language; None if all tokens share one output layer."""
        return tokens_of(self.languages, self.language, vocab_size=self.vocab_size) if self.languages else None

    @property
    def joint_blank(self) -> int:
        """Place of the blank among the outputs of `JointInputs`."""
        return self.blank_id if self.tokens is None else self.tokens.count

    def joint_labels(self, labels: Int[Any, "..."]) -> Int[Array, "..."]:
        """Returns the places of tokens among the outputs of `JointInputs`; of tokens that have none, 0."""
        return jnp.asarray(labels) if self.tokens is None else self.tokens.local(labels, otherwise=0)

    @property
    def blank_id(self) -> int:
        """Id of the blank, which follows the tokens and the big blanks."""
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
        if self.languages and (self.durations or self.big_blanks):
            raise ConfigError("decoder.languages: not together with durations or big_blanks")
        if self.hat and (self.languages or self.big_blanks):
            raise ConfigError("decoder.hat: not together with languages or big_blanks")
        if self.blank_activation not in (None, *ACTIVATIONS):
            found = did_you_mean(str(self.blank_activation), ACTIVATIONS)
            raise ConfigError(f"decoder.blank_activation {self.blank_activation!r}{found}")
        if self.blank_activation and not self.hat:
            raise ConfigError("decoder.blank_activation: only a HAT has one (decoder.hat)")
        check_linear("decoder.prediction_adapters", self.prediction_adapters)
        check_linear("decoder.joint_adapters", self.joint_adapters)
        if self.joint_adapters and self._blank_apart:
            raise ConfigError("decoder.joint_adapters: not with a blank_activation other than the activation")
        if any(adapter.dropout for adapter in self.joint_adapters):
            raise ConfigError("decoder.joint_adapters: without dropout; decoder.joint_dropout is that of the joint")
        self.adapted = AdaptedFrames(self.prediction_adapters, self.dtype, name="adapted")
        self.joint = JointNetwork(
            joint_width=self.joint_width,
            num_outputs=self.blank_id + 1 + len(self.durations),
            languages=self.languages,
            activation=self.activation,
            dropout=self.joint_dropout,
            dtype=self.dtype,
            adapters=self.joint_adapters,
        )

    def __call__(
        self, encoded: Float[Array, "B T D"], labels: Int[Any, "B U"], *, train: bool = False
    ) -> Float[Array, "B T N W"]:
        """Computes all logits at once, N = U + 1: for research and tests, as it takes B T N W floats of memory."""
        inputs = self._projected(encoded, labels, train=train)
        return self._logits(inputs.encoded[:, :, None], inputs.predicted[:, None], train=train)

    def joint_inputs(
        self, encoded: Float[Array, "B T D"], labels: Int[Any, "B U"], *, train: bool = False
    ) -> JointInputs:
        """Computes the projected encoder and prediction frames, and returns them with the joint's output layer."""
        inputs = self._projected(encoded, labels, train=train)
        if not self._blank_apart:
            return inputs
        encoded, predicted = (jnp.concatenate([x, x], axis=-1) for x in inputs[:2])
        of_blank = jnp.arange(len(inputs.bias)) == self.blank_id
        kernel = jnp.concatenate([jnp.where(of_blank, 0, inputs.kernel), jnp.where(of_blank, inputs.kernel, 0)])
        return inputs._replace(encoded=encoded, predicted=predicted, kernel=kernel)

    def _projected(self, encoded: Array, labels: Any, *, train: bool) -> JointInputs:
        started = jnp.pad(jnp.asarray(labels), ((0, 0), (1, 0)), constant_values=self.vocab_size)
        predicted, _ = self.network(self._counted(started), self.initial_state(len(labels)), train=train)
        predicted, joint, out = self.adapted(predicted, train=train), self.joint, self._output()
        adapters = tuple(_weights(adapter.variables["params"]) for adapter in joint.enabled_adapters())
        return JointInputs(joint.encoded(encoded), joint.predicted(predicted), out.kernel, out.bias, adapters)

    def initial_state(self, batch: Size) -> Any:
        """Returns the prediction network's state before the first label: arrays with a leading batch axis."""
        if self.prediction == "lstm":
            shape = (batch, self.num_layers)
            return LSTMState(jnp.zeros((*shape, self.width)), jnp.zeros((*shape, self.cell_width or self.width)))
        return jnp.full((batch, self.context - 1), self.vocab_size, jnp.int32)

    def project(self, encoded: Float[Array, "B T D"]) -> Float[Array, "B T J"]:
        """Projects encoder frames to the joint's width, as `logits` expects them."""
        return self.joint.encoded(encoded)

    def predict(self, labels: Int[Array, " B"], state: Any) -> tuple[Float[Array, "B J"], Any]:
        """Runs the prediction network on one more label; an id that is not a token (the blank) is the start symbol."""
        predicted, state = self.network(self._counted(labels)[:, None], state, train=False)
        return self.joint.predicted(self.adapted(predicted))[:, 0], state

    def logits(self, encoded: Float[Array, "... J"], predicted: Float[Array, "... J"]) -> Float[Array, "... W"]:
        """Computes the joint's logits from projected frames, whose leading axes broadcast."""
        return self._logits(encoded, predicted, train=False)

    def _logits(self, encoded: Array, predicted: Array, *, train: bool) -> Array:
        logits = self.joint.logits(encoded, predicted, self._output(), train=train)
        if self._blank_apart:
            assert self.blank_activation
            blank = self.joint.logits(encoded, predicted, self._output(), train=train, activation=self.blank_activation)
            logits = jnp.where(jnp.arange(logits.shape[-1]) == self.blank_id, blank, logits)
        if self.hat:
            return _blank_first(logits, self.blank_id)
        if self.is_initializing() or self.tokens is None:
            return logits
        return self.tokens.among(logits, self.vocab_size)

    def _output(self) -> Output:
        """The output layer of the chosen language."""
        if not self.languages:
            return self.joint.out
        if self.is_initializing():  # makes the parameters of all
            layers = [layer for layer in self.joint.out.values() if layer.kernel.size]
            return layers[0]
        assert self.tokens is not None
        return self.joint.out[self.languages[self.tokens.first // self.tokens.count]]

    def _counted(self, labels: Int[Any, "..."]) -> Int[Array, "..."]:
        """Counts labels as the prediction network does; others than the chosen language's are the start symbol."""
        if not self.languages or self.is_initializing():
            return jnp.asarray(labels)
        assert self.tokens is not None
        return self.tokens.local(labels, otherwise=self.vocab_size)


def _weights(adapter: Any) -> AdapterWeights:
    return AdapterWeights(**adapter["norm"], up=adapter["up"]["kernel"], down=adapter["down"]["kernel"])


def _blank_first(logits: Float[Array, "... W"], blank_id: int) -> Float[Array, "... W"]:
    """Returns log-probabilities of labels and blank: the blank is drawn first. Logits after it stay as they are."""
    labels, blank, rest = jnp.split(logits.astype(jnp.float32), (blank_id, blank_id + 1), axis=-1)
    labels = jax.nn.log_softmax(labels) + jax.nn.log_sigmoid(-blank)
    return jnp.concatenate([labels, jax.nn.log_sigmoid(blank), rest], axis=-1)
