"""Language models over the tokens of a recogniser: the probability of a text, one token after another.

log p(text) = sum_u log p(y_u | end, y_1 .. y_{u-1}),   u = 1 .. U + 1,   y_{U+1} = end

The end of a text has the id V, which is that of the blank in a recogniser with the same tokens; before the first token
stands the end of a text, too.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.decoders.language_lstm import LanguageLSTM
from jaxspeech.decoders.language_transformer import LanguageTransformer
from jaxspeech.losses.tokens import token_cross_entropy
from jaxspeech.tasks.kinds import Generation
from jaxspeech.tasks.parts import Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Size, Variables


class Texts(NamedTuple):
    """A padded batch of texts.

    Attributes:
      labels: token ids of each text, below V.
      num_labels: real labels of each row.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
    """

    labels: Int[Any, "B U"]
    num_labels: Int[Any, " B"]
    index: Int[Any, " B"]


class ScoredTexts(NamedTuple):
    """The probability of each text of a batch.

    Attributes:
      log_prob: log p(text), of its end too, in nats.
      num_tokens: number of tokens, the end not included.
    """

    log_prob: Float[Array, " B"]
    num_tokens: Int[Array, " B"]


@dataclass(frozen=True)
class LanguageLoss:
    """Options of the loss.

    Attributes:
      label_smoothing: share of the probability that is spread over all tokens.
    """

    label_smoothing: float = 0.0


class LanguageModel(nn.Module):
    """A decoder over tokens alone."""

    decoder: LanguageTransformer | LanguageLSTM
    loss: LanguageLoss = LanguageLoss()

    def __call__(self, ids: Int[Any, "B N"], *, train: bool = False) -> Float[Array, "B N D"]:
        """Computes the decoder's states after each token."""
        return self.decoder(ids, train=train)

    def logits(self, ids: Int[Any, "B N"], *, train: bool = False) -> Float[Array, "B N W"]:
        """Computes the scores of the token after each token."""
        return self.decoder.logits(self.decoder(ids, train=train))


LanguageTask = Task[Texts, ScoredTexts, Generation]


def language_task(model: LanguageModel) -> LanguageTask:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    decoder = model.decoder
    end_id = decoder.vocab_size

    def apply(variables: Variables) -> Any:
        return partial(decoder.apply, {"params": variables["params"]["decoder"]})

    def init(key: Key) -> Variables:
        return dict(model.init(key, jnp.zeros((1, 1), jnp.int32), method="logits"))

    def losses(variables: Variables, states: Array, texts: "Shifted", *, label_smoothing: float) -> Float[Array, " B"]:
        logits = partial(apply(variables), method="logits")
        options = {"logits": logits, "label_smoothing": label_smoothing}
        return token_cross_entropy(states, texts.targets, texts.counts, **options)

    def loss(variables: Variables, batch: Texts, key: Key) -> tuple[RowLosses, Variables]:
        texts = shifted(batch.labels, batch.num_labels, end_id=end_id)
        states, updates = train_apply(model, variables, key, texts.inputs)
        of_rows = losses(variables, states, texts, label_smoothing=model.loss.label_smoothing)
        weights = texts.counts.sum(1).astype(jnp.float32)
        return RowLosses(of_rows, weights, {"loss_per_token": of_rows / weights}), updates

    def predict(variables: Variables, batch: Texts) -> ScoredTexts:
        texts = shifted(batch.labels, batch.num_labels, end_id=end_id)
        found = losses(variables, apply(variables)(texts.inputs), texts, label_smoothing=0.0)
        return ScoredTexts(-found, jnp.asarray(batch.num_labels))

    def start(variables: Variables, rows: Size) -> Any:
        del variables
        return decoder.initial_state(rows)

    def step(variables: Variables, ids: Int[Any, " B"], state: Any) -> tuple[Float[Array, "B W"], Any]:
        return apply(variables)(jnp.asarray(ids), state, method="step")

    return Task(
        model=model,
        batch=Texts,
        init=init,
        phases=(Phase(loss),),
        predict=predict,
        seconds=lambda batch: jnp.zeros(batch.index.shape),
        inference=Generation(start, step),
    )


class Shifted(NamedTuple):
    """The inputs and targets of texts, N = U + 1, and which of them count."""

    inputs: Int[Array, "B N"]
    targets: Int[Array, "B N"]
    counts: Bool[Array, "B N"]


def shifted(labels: Int[Any, "B U"], num_labels: Int[Any, " B"], *, end_id: int) -> Shifted:
    """Puts the end before and after each text; padding may hold anything."""
    labels, num_labels = jnp.asarray(labels), jnp.asarray(num_labels)[:, None]
    ends = jnp.full((len(labels), 1), end_id, labels.dtype)
    real = jnp.arange(labels.shape[1]) < num_labels
    inputs = jnp.concatenate([ends, jnp.where(real, labels, end_id)], axis=1)
    targets = jnp.concatenate([inputs[:, 1:], ends], axis=1)
    return Shifted(inputs, targets, jnp.arange(inputs.shape[1]) <= num_labels)


LANGUAGE_MODEL = Kind(
    LanguageModel,
    language_task,
    {"decoder": Part("decoder", {"transformer": LanguageTransformer, "lstm": LanguageLSTM})},
    {"loss": LanguageLoss},
)
