"""Speech recognition and translation with an attention decoder, as in Canary (Puvvada et al., 2024).

input    prompt, text                      the prompt says the language, the task and the form of the text
target   prompt without its first token, text, end
loss     (1 - w) attention + w CTC         with a CTC head on the encoder (tasks/attention_ctc.py); without one, w = 0
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.decoders.attention import AttentionDecoder, Past
from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.errors import ConfigError
from jaxspeech.losses.cross_entropy import token_cross_entropy
from jaxspeech.search.attention import attention_greedy
from jaxspeech.search.attention_beam import attention_beam
from jaxspeech.search.joint import Joint, ctc_joint
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.acoustic import AcousticModel, shortest_audio
from jaxspeech.tasks.asked import Asked, Drawn
from jaxspeech.tasks.attention_ctc import with_ctc_losses
from jaxspeech.tasks.attention_times import PromptedTexts, attend_to_text
from jaxspeech.tasks.kinds import Attention, Prompting, Recognition
from jaxspeech.tasks.parts import MASKS, PRODUCTS, TRUNK, Kind, Part
from jaxspeech.tasks.recognition import ctc_search
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


@dataclass(frozen=True)
class AttentionLoss:
    """Options of the loss.

    Attributes:
      label_smoothing: share of the probability that is spread over all tokens.
      prompt: the prompt's tokens are targets too.
      ctc_weight: w, the weight of the CTC loss, below 1; with 0 the model has no CTC head.
    """

    label_smoothing: float = 0.0
    prompt: bool = True
    ctc_weight: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.ctc_weight < 1:
            raise TypeError(f"ctc_weight is {self.ctc_weight}; it must be at least 0, and below 1")


@dataclass(frozen=True)
class AttentionSearch:
    """Options of the search.

    Attributes:
      beam_size: hypotheses of the beam search; 1 for the greedy search.
      length_penalty: exponent of the length by which a beam's scores are divided; see `search.attention_beam`.
      least_tokens: no text has fewer tokens; with 0 it may be empty, as that of silence is.
      more_than_frames: prompt and text have at most this many tokens more than the recording has encoder frames; a text
        alone may have as many as there are frames, however long its prompt is.
      ctc_weight: w, below 1: the beam search ranks by (1 - w) log p(text) by the decoder + w log p(text) by the CTC
        head; 0: by the decoder alone.
      ctc_candidates: tokens of each hypothesis that the decoder proposes and the CTC head scores.
    """

    beam_size: int = 1
    length_penalty: float = 0.0
    least_tokens: int = 0
    more_than_frames: int = 50
    ctc_weight: float = 0.0
    ctc_candidates: int = 16

    def __post_init__(self) -> None:
        for name in ("beam_size", "ctc_candidates"):
            if getattr(self, name) < 1:
                raise TypeError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.ctc_weight < 1:
            raise TypeError(f"ctc_weight is {self.ctc_weight}; it must be at least 0, and below 1")


class AttentionModel(AcousticModel, kw_only=True):
    """An encoder with a Transformer decoder and, if its loss has a weight, a CTC head over the same tokens."""

    decoder: AttentionDecoder
    loss: AttentionLoss = AttentionLoss()
    search: AttentionSearch = AttentionSearch()

    def setup(self) -> None:
        if self.loss.ctc_weight:
            self.ctc_head = CTCHead(self.decoder.vocab_size, self.decoder.dtype)

    def outputs(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], ids: Int[Any, "B N"], *, train: bool = False
    ) -> tuple[Float[Array, "B N D"], Float[Array, "B T W"] | None, Int[Array, " B"]]:
        """Computes the decoder's states after each token, the CTC head's logits, and num_frames of the encoder."""
        encoded, num_frames = self.encode(samples, num_samples, train=train)
        states = self.decoder(encoded, num_frames, ids, train=train)
        return states, self.ctc_head(encoded) if self.loss.ctc_weight else None, num_frames

    def logits(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], ids: Int[Any, "B N"], *, train: bool = False
    ) -> Float[Array, "B N W"]:
        """Computes the scores of the token after each token."""
        return self.decoder.logits(self.outputs(samples, num_samples, ids, train=train)[0])

    def log_probs(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T W"], Int[Array, " B"]]:
        """Computes the CTC head's log-probabilities of the tokens and the blank, in float32."""
        encoded, num_frames = self.encode(samples, num_samples)
        return self.frame_log_probs(encoded), num_frames

    def frame_log_probs(self, encoded: Float[Any, "B T D"]) -> Float[Array, "B T W"]:
        """Computes the same from encoder frames."""
        return jax.nn.log_softmax(self.ctc_head(encoded).astype(jnp.float32))

    __call__ = logits


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
        return decode_prompted(model, variables, encoded, num_frames, batch.prompt, batch.num_prompt)

    def decode(
        variables: Variables, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"], asked: Asked
    ) -> Tokens:
        prompts = asked.prompt, asked.num_prompt
        options = {"most_repeats": asked.most_repeats, "drawn": asked.drawn}
        return decode_best(model, variables, encoded, num_frames, *prompts, **options)[0]

    def complete(variables: Variables, encoded: Any, num_frames: Any, asked: Asked) -> tuple[Asked, Int[Array, " B"]]:
        def next_token(prompts: Any, counts: Any) -> Array:
            start = partial(_decoder_apply(model, variables), encoded, num_frames, method="start")
            return start(prompts, counts, room=prompts.shape[1])[0]

        return find_languages(next_token, asked)

    def attend(
        variables: Variables, encoded: Any, num_frames: Any, asked: Asked, ids: Any, num_tokens: Any
    ) -> Attention:
        nothing, prompts = jnp.zeros((len(encoded), 0)), (asked.prompt, asked.num_prompt)
        batch = Prompted(nothing, asked.num_prompt, *prompts, ids, num_tokens, asked.num_prompt)
        whole, _, _ = teacher_forcing(batch, end_id=decoder.end_id)
        texts = PromptedTexts(whole, jnp.asarray(asked.num_prompt), jnp.asarray(num_tokens))
        look = partial(_decoder_apply(model, variables), method="cross_attention")
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
            log_probs=ctc_search(model, vocab_size=decoder.vocab_size).log_probs if weight else None,
            incremental=None,
            prompts=Prompting(decoder.max_length, complete, attend),
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
    logits = partial(_decoder_apply(model, variables), method="logits")
    losses = token_cross_entropy(states, targets, counts, logits=logits, label_smoothing=model.loss.label_smoothing)
    return RowLosses(losses, counts.sum(1).astype(losses.dtype), {})


def decode_prompted(
    model: AttentionModel,
    variables: Variables,
    encoded: Float[Array, "B T D"],
    num_frames: Int[Array, " B"],
    prompt: Int[Any, "B P"],
    num_prompt: Int[Any, " B"],
) -> Tokens:
    """Finds the text after each prompt, by the search that is configured."""
    return decode_best(model, variables, encoded, num_frames, prompt, num_prompt)[0]


def decode_best(
    model: AttentionModel,
    variables: Variables,
    encoded: Float[Array, "B T D"],
    num_frames: Int[Array, " B"],
    prompt: Int[Any, "B P"],
    num_prompt: Int[Any, " B"],
    *,
    num_best: int = 1,
    most_repeats: Int[Any, " B"] | None = None,
    drawn: Drawn | None = None,
) -> list[Tokens]:
    """Finds the best texts after each prompt, the best first; or draws one, see `Asked`."""
    apply, options, decoder = _decoder_apply(model, variables), model.search, model.decoder
    most = decoder.max_length
    if isinstance(encoded.shape[1], int):  # not a symbol of `jax.export`
        most = max(min(most, encoded.shape[1] + options.more_than_frames), 1)
    limits = text_limits(model, num_frames, num_prompt)
    logits, memory, past = apply(encoded, num_frames, prompt, num_prompt, method="start", room=prompt.shape[1] + most)

    def step(ids: Array, past: Past) -> tuple[Array, Past]:
        logits, past = apply(ids, memory, past, method="step")
        return logits, past

    shared = {
        **{"end_id": decoder.end_id, "vocab_size": decoder.vocab_size, "most_tokens": most, "limits": limits},
        **{"least_tokens": options.least_tokens, "most_repeats": most_repeats},
    }
    if drawn is not None:
        keys = jax.vmap(jax.random.key)(drawn.seed)
        return [attention_greedy(step, logits, past, temperature=drawn.temperature, keys=keys, **shared)]
    if options.beam_size == 1 and not options.ctc_weight:
        return [attention_greedy(step, logits, past, **shared)]
    return attention_beam(
        step,
        logits,
        past,
        select=select_hypotheses,
        beam_size=options.beam_size,
        length_penalty=options.length_penalty,
        num_best=num_best,
        joint=_ctc_scores(model, variables, encoded, num_frames) if options.ctc_weight else None,
        **shared,
    )


def text_limits(model: AttentionModel, num_frames: Int[Array, " B"], num_prompt: Int[Any, " B"]) -> Int[Array, " B"]:
    """Computes the most tokens of the text of each recording; see `AttentionSearch.more_than_frames`.

    A row's own length decides, not that of the batch, so that its text does not depend on the others. A long prompt
    takes nothing from as many tokens as there are frames.
    """
    num_prompt, more = jnp.asarray(num_prompt), model.search.more_than_frames
    return jnp.minimum(num_frames + jnp.maximum(more - num_prompt, min(more, 0)), model.decoder.max_length - num_prompt)


def _ctc_scores(model: AttentionModel, variables: Variables, encoded: Array, num_frames: Array) -> Joint:
    apply: Any = model.apply
    return ctc_joint(
        apply(variables, encoded, method="frame_log_probs"),
        num_frames,
        num_tokens=model.decoder.num_outputs,
        end_id=model.decoder.end_id,
        weight=model.search.ctc_weight,
        candidates=model.search.ctc_candidates,
    )


def select_hypotheses(past: Past, parents: Int[Array, "B K"]) -> Past:
    """Returns the past of the given hypotheses of each row."""
    places = parents[..., None, None, None]
    return past._replace(layers=jax.tree.map(lambda x: jnp.take_along_axis(x, places, axis=1), past.layers))


def _decoder_apply(model: AttentionModel, variables: Variables) -> Any:
    return partial(model.decoder.apply, {"params": variables["params"]["decoder"]})


ATTENTION = Kind(
    AttentionModel,
    attention_task,
    {**TRUNK, "decoder": Part("decoder", {"attention": AttentionDecoder})},
    {**MASKS, "loss": AttentionLoss, "search": AttentionSearch},
    PRODUCTS,
)
