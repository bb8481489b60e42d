"""Speech recognition and translation with an attention decoder, as in Canary (Puvvada et al., 2024).

input    prompt, text                      the prompt says the language, the task and the form of the text
target   prompt without its first token, text, end
loss     (1 - w) attention + w CTC         with a CTC head on the encoder (tasks/attention_ctc.py); without one, w = 0
"""

from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.decoders.attention import AttentionDecoder
from jaxspeech.errors import ConfigError
from jaxspeech.losses.tokens import token_cross_entropy
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.acoustic import shortest_audio
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.attention_ctc import with_ctc_losses
from jaxspeech.tasks.attention_model import AttentionLoss, AttentionModel, AttentionSearch, decoder_apply
from jaxspeech.tasks.attention_search import decode_best
from jaxspeech.tasks.attention_times import PromptedTexts, attend_to_text
from jaxspeech.tasks.ctc_search import frame_log_probs
from jaxspeech.tasks.kinds import Attention, Prompting, Recognition
from jaxspeech.tasks.parts import MASKS, PRODUCTS, TRUNK, Kind, Part
from jaxspeech.tasks.spoken_language import find_languages
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Variables


class Prompted(NamedTuple):
    """A padded batch of utterances with what is asked of each, and its text.

    Attributes:
      samples: waveforms at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
      prompt: token ids that the decoder reads before the text.
      num_prompt: real tokens of each prompt, at least 1.
      labels: token ids of each text, below V.
      num_labels: real labels of each row.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
      said: token ids of what is said, from which a CTC head learns, also where the text is a translation of it. A row
        without them, and with a text, teaches the CTC head nothing. None: the texts are transcripts.
      num_said: real tokens of each of these.
    """

    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
    prompt: Int[Any, "B P"]
    num_prompt: Int[Any, " B"]
    labels: Int[Any, "B U"]
    num_labels: Int[Any, " B"]
    index: Int[Any, " B"]
    said: Int[Any, "B C"] | None = None
    num_said: Int[Any, " B"] | None = None


AttentionTask = Task[Prompted, Tokens, Recognition]


def attention_task(model: AttentionModel) -> AttentionTask:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    decoder, sample_rate, weight = model.decoder, model.frontend.sample_rate, model.loss.ctc_weight
    if model.search.ctc_weight and not weight:
        raise ConfigError("search.ctc_weight: this model has no CTC head; with loss.ctc_weight above 0 it is given one")

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model), jnp.zeros((1, 1), jnp.int32), method="outputs"))

    def loss(variables: Variables, batch: Prompted, key: Key) -> tuple[RowLosses, Variables]:
        ids, targets, counts = teacher_forcing(batch, end_id=decoder.end_id, prompt=model.loss.prompt)
        inputs = batch.samples, batch.num_samples, ids
        (states, logits, num_frames), updates = train_apply(model, variables, key, *inputs, method="outputs")
        rows = decoder_losses(model, variables, states, targets, counts)
        if logits is not None:
            rows = with_ctc_losses(rows, logits, num_frames, *transcripts_of(batch), weight=weight)
        return rows, updates

    def encode(variables: Variables, samples: Any, num_samples: Any) -> tuple[Array, Array]:
        apply: Any = model.apply
        return apply(variables, samples, num_samples, method="encode")

    def predict(variables: Variables, batch: Prompted) -> Tokens:
        encoded, num_frames = encode(variables, batch.samples, batch.num_samples)
        return decode_best(model, variables, encoded, num_frames, batch.prompt, batch.num_prompt)[0]

    def best(
        variables: Variables,
        encoded: Float[Array, "B T D"],
        num_frames: Int[Array, " B"],
        asked: Asked,
        *,
        num_best: int = 1,
    ) -> list[Tokens]:
        prompts = asked.prompt, asked.num_prompt
        options = {"most_repeats": asked.most_repeats, "drawn": asked.drawn, "num_best": num_best}
        return decode_best(model, variables, encoded, num_frames, *prompts, **options)

    def decode(
        variables: Variables, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"], asked: Asked
    ) -> Tokens:
        return best(variables, encoded, num_frames, asked)[0]

    def complete(variables: Variables, encoded: Any, num_frames: Any, asked: Asked) -> tuple[Asked, Int[Array, " B"]]:
        def next_token(prompts: Any, counts: Any) -> Array:
            start = partial(decoder_apply(model, variables), encoded, num_frames, method="start")
            return start(prompts, counts, room=prompts.shape[1])[0]

        return find_languages(next_token, asked)

    def attend(
        variables: Variables, encoded: Any, num_frames: Any, asked: Asked, ids: Any, num_tokens: Any
    ) -> Attention:
        nothing, prompts = jnp.zeros((len(encoded), 0)), (asked.prompt, asked.num_prompt)
        batch = Prompted(nothing, asked.num_prompt, *prompts, ids, num_tokens, asked.num_prompt)
        whole, _, _ = teacher_forcing(batch, end_id=decoder.end_id)
        texts = PromptedTexts(whole, jnp.asarray(asked.num_prompt), jnp.asarray(num_tokens))
        look = partial(decoder_apply(model, variables), method="cross_attention")
        return attend_to_text(look, decoder, encoded, num_frames, texts, frame_seconds=model.frame_seconds)

    return Task(
        model=model,
        batch=Prompted,
        init=init,
        phases=(Phase(loss),),
        predict=predict,
        seconds=lambda batch: batch.num_samples / sample_rate,
        inference=Recognition(
            sample_rate,
            model.frame_seconds,
            decoder.vocab_size,
            encode,
            decode,
            log_probs=partial(frame_log_probs, model) if weight else None,
            incremental=None,
            prompts=Prompting(decoder.max_length, complete, attend),
            decode_best=best if model.search.beam_size > 1 else None,
        ),
    )


def transcripts_of(batch: Prompted) -> tuple[Int[Any, "B C"], Int[Any, " B"]]:
    """Returns what is said in each row, and its number of tokens: -1 where it is not known."""
    if batch.said is None or batch.num_said is None:
        return batch.labels, batch.num_labels
    known = (jnp.asarray(batch.num_said) > 0) | (jnp.asarray(batch.num_labels) == 0)  # silence, in any language
    return batch.said, jnp.where(known, batch.num_said, -1)


def teacher_forcing(
    batch: Prompted, *, end_id: int, prompt: bool = True
) -> tuple[Int[Array, "B N"], Int[Array, "B N"], Bool[Array, "B N"]]:
    """Returns the decoder's input, its targets, and which of them count: N = P + U."""
    num_prompt, num_labels = jnp.asarray(batch.num_prompt)[:, None], jnp.asarray(batch.num_labels)[:, None]
    place = jnp.arange(batch.prompt.shape[1] + batch.labels.shape[1] + 1)

    def taken(ids: Any, places: Array) -> Array:
        if not ids.shape[1]:
            return jnp.zeros_like(places)
        return jnp.take_along_axis(jnp.asarray(ids), jnp.clip(places, 0, ids.shape[1] - 1), axis=1)

    whole = jnp.where(
        place < num_prompt,
        taken(batch.prompt, jnp.broadcast_to(place, (len(batch.prompt), len(place)))),
        taken(batch.labels, place - num_prompt),
    )
    end = num_prompt + num_labels
    whole = jnp.where(place >= end, end_id, whole)  # padding holds anything, also what is not a token
    counts = (place[1:] <= end) & (prompt | (place[1:] >= num_prompt))
    return whole[:, :-1], whole[:, 1:], counts


def decoder_losses(
    model: AttentionModel,
    variables: Variables,
    states: Float[Array, "B N D"],
    targets: Int[Array, "B N"],
    counts: Bool[Array, "B N"],
) -> RowLosses:
    """Computes the summed cross-entropy of each row; its weight is its number of targets."""
    logits = partial(decoder_apply(model, variables), method="logits")
    losses = token_cross_entropy(states, targets, counts, logits=logits, label_smoothing=model.loss.label_smoothing)
    return RowLosses(losses, counts.sum(1).astype(losses.dtype), {})


ATTENTION = Kind(
    AttentionModel,
    attention_task,
    {**TRUNK, "decoder": Part("decoder", {"attention": AttentionDecoder})},
    {**MASKS, "loss": AttentionLoss, "search": AttentionSearch},
    PRODUCTS,
)
