"""Answers to spoken and written questions by a language model that hears; see `tasks.speech_lm_model`.

loss_b = - sum_p log p(id_p | what stands before place p)           over the places p of answers

The sum over a batch is divided by the number of all its targets if the reduction is "mean_volume": on several devices
it is the same as on one.
"""

from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.decoders.causal_transformer import CausalTransformer
from jaxspeech.decoders.connector import ConformerConnector, MultiLayerProjection, Projection
from jaxspeech.decoders.key_value_cache import Cache
from jaxspeech.nn.key_value_attention import KeysValues
from jaxspeech.search.generate import generate
from jaxspeech.search.generate_beam import generate_beam
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.answer_loss import AnswerLoss, answer_losses, scored_answers
from jaxspeech.tasks.frames import count_frames
from jaxspeech.tasks.kinds import Answering
from jaxspeech.tasks.parts import MASKS, PRODUCTS, TRUNK, Kind, Part
from jaxspeech.tasks.speech_lm_model import AnswerSearch, SpeechLanguageModel, decoder_apply
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.text.chat import AUDIO
from jaxspeech.types import Key, Phase, RowLosses, Variables


class Conversations(NamedTuple):
    """A padded batch of conversations, of which each has A audios or fewer.

    Attributes:
      samples: waveforms at the model's sample rate, in [-1, 1], in the order in which they are heard.
      num_samples: real samples of each audio; 0 where a conversation has fewer audios.
      ids: token ids, and `text.chat.AUDIO` (-1) at each place of a frame of audio.
      num_ids: real places of each row.
      num_prompt: places before the text of the last answer, from which on an answer is generated.
      answers: which places are targets: what the model is to say.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
    """

    samples: Float[Any, "B A S"]
    num_samples: Int[Any, "B A"]
    ids: Int[Any, "B L"]
    num_ids: Int[Any, " B"]
    num_prompt: Int[Any, " B"]
    answers: Bool[Any, "B L"]
    index: Int[Any, " B"]


class Answered(NamedTuple):
    """What a model makes of conversations.

    Attributes:
      tokens: the answer that it generates in place of the last one.
      losses: sum of -log p over the targets.
      right: targets that are the most probable token, given what stands before them.
      targets: their number.
    """

    tokens: Tokens
    losses: Float[Any, " B"]
    right: Int[Any, " B"]
    targets: Int[Any, " B"]


SpeechLMTask = Task[Conversations, Answered, Answering]


def speech_lm_task(model: SpeechLanguageModel) -> SpeechLMTask:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    sample_rate, search = model.frontend.sample_rate, model.search

    def init(key: Key) -> Variables:
        samples, ids = jnp.zeros((1, 1, sample_rate // 2)), jnp.array([[0, AUDIO]])
        return dict(model.init(key, samples, jnp.array([[samples.shape[2]]]), ids, jnp.array([2])))

    def loss(variables: Variables, batch: Conversations, key: Key) -> tuple[RowLosses, Variables]:
        states, updates = train_apply(model, variables, key, *_inputs(batch), method="states")
        logits, smoothing = partial(decoder_apply(model, variables), method="logits"), model.loss.label_smoothing
        return answer_losses(scored_answers(states, batch, logits=logits, label_smoothing=smoothing)), updates

    def start(variables: Variables, prompt: Conversations, most_tokens: int) -> tuple[Float[Array, "B V"], Any]:
        rows, places = prompt.ids.shape
        of_decoder = decoder_apply(model, variables)
        return extend(variables, prompt, of_decoder(rows, places + most_tokens, method="initial_cache"))

    def extend(variables: Variables, prompt: Conversations, state: Any) -> tuple[Float[Array, "B V"], Any]:
        apply: Any = model.apply
        num, of_decoder = jnp.asarray(prompt.num_prompt), decoder_apply(model, variables)
        x = apply(variables, prompt.samples, prompt.num_samples, prompt.ids, num, method="inputs")
        states, state = of_decoder(x, num, state, method="extend")
        last = jnp.take_along_axis(states, jnp.maximum(num - 1, 0)[:, None, None], axis=1)[:, 0]
        return of_decoder(last, method="logits"), state

    def step(variables: Variables, ids: Int[Any, " B"], state: Any) -> tuple[Float[Array, "B V"], Any]:
        return decoder_apply(model, variables)(jnp.asarray(ids), state, method="step")

    def answer(variables: Variables, prompt: Conversations) -> Tokens:
        logits, state = start(variables, prompt, search.most_tokens)
        options: dict[str, Any] = {"end_ids": search.end_ids, "most_tokens": search.most_tokens}
        if search.beam_size > 1:
            options |= {"beam_size": search.beam_size, "length_penalty": search.length_penalty}
            return generate_beam(partial(step, variables), logits, state, **options)[0]
        return generate(partial(step, variables), logits, state, **options)

    def predict(variables: Variables, batch: Conversations) -> Answered:
        apply: Any = model.apply
        states = apply(variables, *_inputs(batch), method="states")
        logits = partial(decoder_apply(model, variables), method="logits")
        return Answered(answer(variables, batch), *scored_answers(states, batch, logits=logits))

    return Task(
        model=model,
        batch=Conversations,
        init=init,
        phases=(Phase(loss),),
        predict=predict,
        seconds=lambda batch: batch.num_samples.sum(-1) / sample_rate,
        inference=Answering(
            sample_rate,
            model.frame_seconds * model.connector.factor,
            model.decoder.vocab_size,
            partial(count_frames, model, counted=_places),
            start,
            extend,
            step,
            (Cache, KeysValues),
        ),
    )


def _inputs(batch: Conversations) -> tuple[Any, ...]:
    return batch.samples, batch.num_samples, batch.ids, batch.num_ids


def _places(model: SpeechLanguageModel, samples: Any, num_samples: Any) -> Any:
    """The numbers of frames that the language model reads."""
    return model.perceive(samples[:, None], num_samples[:, None])[1].sum(1)


CONNECTOR = Part(
    "connector",
    {"projection": Projection, "conformer": ConformerConnector, "multilayer": MultiLayerProjection},
)
SPEECH_LM = Kind(
    SpeechLanguageModel,
    speech_lm_task,
    {**TRUNK, "connector": CONNECTOR, "decoder": Part("decoder", {"causal_transformer": CausalTransformer})},
    {**MASKS, "loss": AnswerLoss, "search": AnswerSearch},
    {**PRODUCTS, "chunk_seconds": None, "frozen_encoder": None},
)
