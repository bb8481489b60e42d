"""How answers are written: the options that a call of `Chat` has besides those of every pipeline."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

from jaxspeech.audio.convert import Channel
from jaxspeech.errors import ConfigError
from jaxspeech.inference.options import OnError, TranscribeOptions, Wanted, wanted


class MannerOptions(TypedDict, total=False):
    """How answers are written.

    Attributes:
      max_tokens: where an answer is cut, 256 by default; `Answer.finished` says whether it was.
      temperature: 0, the default, takes the most probable token; above 0 tokens are drawn, from softmax(logits /
        temperature).
      top_k: draws among the k most probable tokens; 0, the default, among all.
      top_p: draws among the most probable tokens that have this probability together; 1, the default, among all.
      seed: of the draws. An answer depends on it, on the question and on its place in the call, not on the batches.
      beam_size: the answers that a beam search keeps; 1, the default, is greedy search or sampling.
      length_penalty: a beam's score is its log-probability divided by its length to this power; 1 by default.
      thinking: whether a model that thinks before it answers (Qwen3) may do so; True by default.
    """

    max_tokens: int
    temperature: float
    top_k: int
    top_p: float
    seed: int
    beam_size: int
    length_penalty: float
    thinking: bool


class WritingOptions(MannerOptions, total=False):
    """Options of `Chat.ask` and of conversations: those of `MannerOptions` and two more.

    Attributes:
      sample_rate, channel: of recordings, see `options.RowOptions`.
    """

    sample_rate: int | None
    channel: Channel


class TranscriptOptions(TranscribeOptions, MannerOptions, total=False):
    """Options of `Chat.transcribe`: those of a recogniser, of which most are errors here, and of `MannerOptions`."""


class AnswerOptions(WritingOptions, total=False):
    """Options of calls with many questions: those of `WritingOptions` and two more.

    Attributes:
      batch_size: the most questions in a batch, 16 by default; long ones are put in smaller batches.
      on_error: "raise" at the first question that cannot be answered (the default), or "skip": its answer is empty and
        says why in `error`.
    """

    batch_size: int
    on_error: OnError


class Manner(NamedTuple):
    """How an answer is written: the values of `MannerOptions`, each with its default."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    beam_size: int = 1
    length_penalty: float = 1.0
    thinking: bool = True

    @property
    def cut_note(self) -> str:
        """Says why an answer was cut."""
        return f"up to {self.max_tokens} tokens (max_tokens)"


def manner(options: Mapping[str, Any], known: Any, *, call: str, beam_size: int = 1) -> tuple[Manner, Wanted]:
    """Checks a call's options and fills in the defaults.

    Args:
      options: the keyword arguments of the call.
      known: the TypedDict that lists the allowed ones.
      call: the method's name, for errors.
      beam_size: of the pipeline, unless the call says its own or draws tokens.

    Raises:
      TypeError: an unknown option, with Python's own wording.
      ConfigError: an invalid value.
    """
    own = {name: value for name, value in options.items() if name in Manner._fields and value is not None}
    found = wanted({name: value for name, value in options.items() if name not in Manner._fields}, known, call=call)
    fields: dict[str, Any] = {} if own.get("temperature") else {"beam_size": beam_size}
    how = Manner(**fields | own)
    for name in ("max_tokens", "beam_size"):
        if getattr(how, name) < 1:
            raise ConfigError(f"{name} is {getattr(how, name)}; it must be at least 1")
    if not how.temperature >= 0:
        raise ConfigError(f"temperature is {how.temperature}; it must be 0, for the most probable token, or above")
    if how.top_k < 0:
        raise ConfigError(f"top_k is {how.top_k}; it must be a number of tokens, or 0 for all")
    if not 0 < how.top_p <= 1:
        raise ConfigError(f"top_p is {how.top_p}; it must be a probability above 0, and at most 1")
    drawn = how.temperature > 0
    for name, default in (("top_k", 0), ("top_p", 1.0), ("seed", 0)):
        if getattr(how, name) != default and not drawn:
            raise ConfigError(f"{name} is for drawing tokens: give a temperature above 0 too")
    if drawn and how.beam_size > 1:
        raise ConfigError("beam_size and temperature: a beam search draws nothing; choose one of them")
    if how.length_penalty != 1.0 and how.beam_size == 1:
        raise ConfigError("length_penalty is for a beam search: give a beam_size above 1 too")
    return how, found
