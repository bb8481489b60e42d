"""Decoder-only language models of text: the next token from all before it.

loss_b = - sum_p log p(id_p | id_1 .. id_{p-1})                     over the places p of answers

A model of this task is what Transformers' AutoModelForCausalLM reads; `tasks.speech_lm` makes it hear.
"""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.decoders.causal_transformer import CausalTransformer
from jaxspeech.decoders.key_value_cache import Cache
from jaxspeech.nn.key_value_attention import KeysValues
from jaxspeech.tasks.answer_loss import AnswerLoss, ScoredAnswers, answer_losses, scored_answers
from jaxspeech.tasks.branches import branch
from jaxspeech.tasks.kinds import Answering
from jaxspeech.tasks.parts import Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Variables

# The sample rate of a model that hears nothing: audio takes no place in its prompts.
DEAF = 0


class Dialogues(NamedTuple):
    """A padded batch of texts, or of conversations without audio.

    Attributes:
      ids: token ids.
      num_ids: real ids of each row.
      num_prompt: ids before the text of the last answer, from which on one is generated.
      answers: which ids are targets: what the model is to say. The first of a row is none, as nothing stands before it.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
    """

    ids: Int[Any, "B L"]
    num_ids: Int[Any, " B"]
    num_prompt: Int[Any, " B"]
    answers: Bool[Any, "B L"]
    index: Int[Any, " B"]


class CausalLM(nn.Module):
    """A decoder over tokens alone."""

    decoder: CausalTransformer
    loss: AnswerLoss = AnswerLoss()

    def __call__(self, ids: Int[Any, "B N"], num: Int[Any, " B"], *, train: bool = False) -> Float[Array, "B N D"]:
        """Computes the decoder's states after each token."""
        return self.decoder(self.decoder.embed(ids), num, train=train)

    def logits(self, ids: Int[Any, "B N"], num: Int[Any, " B"], *, train: bool = False) -> Float[Array, "B N V"]:
        """Computes the scores of the token after each token."""
        return self.decoder.logits(self(ids, num, train=train))


CausalTask = Task[Dialogues, ScoredAnswers, Answering]


def causal_task(model: CausalLM) -> CausalTask:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    decoder = model.decoder

    def apply(variables: Variables) -> Any:
        return partial(decoder.apply, branch(variables, "decoder"))

    def init(key: Key) -> Variables:
        return dict(model.init(key, jnp.zeros((1, 1), jnp.int32), jnp.ones(1, jnp.int32), method="logits"))

    def loss(variables: Variables, batch: Dialogues, key: Key) -> tuple[RowLosses, Variables]:
        states, updates = train_apply(model, variables, key, batch.ids, batch.num_ids)
        logits, smoothing = partial(apply(variables), method="logits"), model.loss.label_smoothing
        return answer_losses(scored_answers(states, batch, logits=logits, label_smoothing=smoothing)), updates

    def predict(variables: Variables, batch: Dialogues) -> ScoredAnswers:
        run: Any = model.apply
        states = run(variables, batch.ids, batch.num_ids)
        return scored_answers(states, batch, logits=partial(apply(variables), method="logits"))

    def start(variables: Variables, prompt: Dialogues, most_tokens: int) -> tuple[Float[Array, "B V"], Any]:
        rows, places = prompt.ids.shape
        return extend(variables, prompt, apply(variables)(rows, places + most_tokens, method="initial_cache"))

    def extend(variables: Variables, prompt: Dialogues, state: Any) -> tuple[Float[Array, "B V"], Any]:
        run, num = apply(variables), jnp.asarray(prompt.num_prompt)
        states, state = run(run(prompt.ids, method="embed"), num, state, method="extend")
        last = jnp.take_along_axis(states, jnp.maximum(num - 1, 0)[:, None, None], axis=1)[:, 0]
        return run(last, method="logits"), state

    def step(variables: Variables, ids: Int[Any, " B"], state: Any) -> tuple[Float[Array, "B V"], Any]:
        return apply(variables)(jnp.asarray(ids), state, method="step")

    return Task(
        model=model,
        batch=Dialogues,
        init=init,
        phases=(Phase(loss),),
        predict=predict,
        seconds=lambda batch: jnp.zeros(batch.index.shape),
        inference=Answering(DEAF, 0.0, decoder.vocab_size, np.zeros_like, start, extend, step, (Cache, KeysValues)),
    )


CAUSAL_LM = Kind(
    CausalLM,
    causal_task,
    {"decoder": Part("decoder", {"causal_transformer": CausalTransformer})},
    {"loss": AnswerLoss},
)
