"""Options that the pipelines share: as types for the reader and type checker, and as values with their defaults."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypedDict, get_args

from jaxspeech.audio.convert import Channel
from jaxspeech.audio.voice_activity import ENERGY_DETECTOR, VoiceActivity
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.text.prompt_slots import SLOTS

Long = Literal["auto", "full", "local", "buffered", "segments"]
OnError = Literal["raise", "skip"]
# Options of diarizers.
SPEAKER_NUMBERS = ("num_speakers", "min_speakers", "max_speakers")


class RowOptions(TypedDict, total=False):
    """Options of every pipeline.

    Attributes:
      batch_size: maximum number of recordings in a batch, 16 by default; those over 40 s are put in smaller batches.
      sample_rate: of arrays, in Hz; the model's by default. Files contain theirs.
      channel: "mean" of all channels (the default; those of opposite phase are subtracted, as they would cancel each
        other), or the number of one, from 0. For transcribing also "each": one hypothesis for each channel of each
        recording, with its number in `channel`.
      on_error: "raise" at the first recording that cannot be used (the default), or "skip": its result is empty and
        says why in `error`.
    """

    batch_size: int
    sample_rate: int | None
    channel: Channel | Literal["each"]
    on_error: OnError


class AlignOptions(RowOptions, total=False):
    """Options of `Recognizer.align` and `align_iter`: those of `RowOptions` and two more.

    Attributes:
      return_log_probs: fill log_probs.
      long: how recordings of more than 40 s are processed: all frames attend to all frames ("full"), to a window
        ("local"), or overlapping parts are encoded separately ("buffered"); "auto", the default, uses the first of
        these that fits in memory. "segments" (transcribing only) cuts them at silences into segments of at most 30 s,
        each transcribed by itself. A model with an attention decoder takes "segments", or "auto": chunks of 30 to 40 s,
        which are joined. The hypothesis's `note` names the method that was used.
    """

    return_log_probs: bool
    long: Long


class Slots(TypedDict, total=False):
    """What is asked of a model with prompts (`text.prompt_slots`); a model has some of these, and None is its default.

    Attributes:
      source_lang: the language that is spoken; "auto": the model finds it, and the hypothesis says it.
      target_lang: that of the text; the one that is spoken if it is not given.
      task: "transcribe" or "translate".
      pnc: punctuation and capitals.
      itn: digits.
      timestamp: times in the text.
      diarize: marks of speakers.
      emotion: the speaker's.
      decodercontext: what was said before.
    """

    source_lang: str | None
    target_lang: str | None
    task: str | None
    pnc: bool | str | None
    itn: bool | str | None
    timestamp: bool | str | None
    diarize: bool | str | None
    emotion: str | None
    decodercontext: str | None


class FusionOptions(TypedDict, total=False):
    """What the search of a recogniser takes in besides the model's own scores; see docs/language-models.md.

    Attributes:
      boost: phrases to prefer, as a list, a dict of weights, or a file's path (`text.phrases`). A manifest's line can
        have a list of its own in the field "boost".
      boost_weight: of all phrases, 1 by default; a phrase's own weight is multiplied by it.
      language_model: the path of an n-gram model (see `ngrams.load`) or of a model of the recipe language_model, or
        such a model. Several as [(model, weight), ...] or {path: weight, ...}, where a negative weight subtracts a
        model, and "internal" is that inside a transducer (`tasks.internal_language_model`).
      lm_weight: of the language model's log-probabilities, 0.5 by default.
    """

    boost: Any
    boost_weight: float | None
    language_model: Any
    lm_weight: float | None


class TranscribeOptions(AlignOptions, Slots, FusionOptions, total=False):
    """Options of `Recognizer.transcribe` and `transcribe_iter`: `AlignOptions`, `Slots`, `FusionOptions`, and more.

    Attributes:
      timestamps: fill words, segments and chars.
      voice_activity: finds the speech between silences for long="segments":
        (samples, rate) -> [(start, end), ...].
      language: that is spoken, for a model with a softmax for each language.
      enhance: hears recordings before the model: an `Enhancer`, or a function (samples [S], rate) -> samples [S].
      guard: decode a text again at rising temperatures that repeats itself or is improbable (`inference.guard`), which
        attention decoders write at times, and cut a loop at its end; the hypothesis's `note` says so. None: only of
        segments of long recordings.
      speakers: finds who speaks when, so that words and segments have their speakers, and hypotheses `turns`: a
        diarizer, or a function (samples, rate) -> [(start, end, speaker), ...]. Implies timestamps.
      num_speakers, min_speakers, max_speakers: of a recording, as far as they are known; for `speakers`.
      alternatives: how many of the best texts the hypotheses have, at most the size of the beam.
      rescore: a language model, as a path or a `LanguageModel`, that chooses among them, by default among the whole
        beam: score = acoustic + rescore_weight log p(text) + length_reward (number of tokens). It may have another
        tokenizer.
      rescore_weight, length_reward: 0.5 and 0 by default; `jaxspeech transcribe --tune_rescoring` finds better ones.
    """

    timestamps: bool
    voice_activity: VoiceActivity
    language: str | None
    enhance: Any
    guard: bool | None
    speakers: Any
    num_speakers: int | None
    min_speakers: int | None
    max_speakers: int | None
    alternatives: int
    rescore: Any
    rescore_weight: float
    length_reward: float


class StreamOptions(Slots, FusionOptions, total=False):
    """Options of `Recognizer.stream` besides the gate: those of `Recognizer.streams`, which documents them."""

    look_ahead: int | None
    chunk: int | None
    chunks: int
    left: int | None
    policy: Literal["alignatt", "waitk"] | None
    wait: int | None
    tokens: int | None
    hold: int | None
    timestamps: bool
    end_silence: float | None


class Wanted(NamedTuple):
    """The options of a call: those above, each with its default."""

    batch_size: int = 16
    sample_rate: int | None = None
    channel: Channel | Literal["each"] = "mean"
    on_error: OnError = "raise"
    return_log_probs: bool = False
    long: Long = "auto"
    timestamps: bool = False
    voice_activity: VoiceActivity = ENERGY_DETECTOR
    language: str | None = None
    enhance: Any = None
    guard: bool | None = None
    speakers: Any = None
    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    boost: Any = None
    boost_weight: float | None = None
    language_model: Any = None
    lm_weight: float | None = None
    alternatives: int = 0
    rescore: Any = None
    rescore_weight: float = 0.5
    length_reward: float = 0.0
    slots: Mapping[str, Any] = MappingProxyType({})


def wanted(options: Mapping[str, Any], known: Any, *, call: str) -> Wanted:
    """Checks a call's options and fills in the defaults.

    Args:
      options: the keyword arguments of the call.
      known: the TypedDict above that lists the allowed ones.
      call: the method's name, for errors.

    Raises:
      TypeError: an unknown option, with Python's own wording.
      ConfigError: an invalid value.
    """
    for name in options:
        if name not in known.__annotations__:
            raise TypeError(
                f"{call}() got an unexpected keyword argument {name!r}{did_you_mean(name, known.__annotations__)}"
            )
    slots = {name: value for name, value in options.items() if name in SLOTS and value is not None}
    found = Wanted(**{name: value for name, value in options.items() if name not in SLOTS}, slots=slots)
    if found.batch_size < 1:
        raise ConfigError(f"batch_size is {found.batch_size}; it must be at least 1")
    if found.enhance is not None and not callable(found.enhance):
        raise ConfigError(f"enhance is {found.enhance!r}; give an Enhancer, or a function (samples, rate) -> samples")
    if found.guard not in (None, True, False):
        raise ConfigError(f"guard is {found.guard!r}; it can be True, False or None")
    for name in SPEAKER_NUMBERS:
        if getattr(found, name) is not None and found.speakers is None:
            raise ConfigError(f"{name}: is for finding speakers; give a diarizer as speakers too")
    if found.alternatives < 0:
        raise ConfigError(f"alternatives is {found.alternatives}; it must be at least 0")
    for name in ("rescore_weight", "length_reward"):
        if name in options and found.rescore is None:
            raise ConfigError(f"{name}: is for choosing among alternatives; give a language model as rescore too")
    if found.channel == "each" and known is not TranscribeOptions:
        raise ConfigError('channel is "each", which is for transcribing; give "mean" or the number of a channel')
    if found.on_error not in get_args(OnError):
        raise ConfigError(f"on_error is {found.on_error!r}; it can be raise or skip")
    if found.long not in get_args(Long):
        raise ConfigError(f"long {found.long!r}{did_you_mean(str(found.long), get_args(Long))}")
    return found
