"""Options of speaking: as types for the reader and type checker, and as checked values."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, get_args

from jaxspeech.audio.convert import to_samples
from jaxspeech.audio.read import read
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.inference.options import OnError
from jaxspeech.inference.speak_programs import Manner
from jaxspeech.tasks.kinds import Synthesis

# Beyond these a model only garbles: least and most.
LIMITS = {"pace": (0.25, 4.0), "pitch": (-5.0, 5.0), "pause": (0.0, 60.0), "denoise": (0.0, 1.0)}


class SpeakOptions(TypedDict, total=False):
    """Options of `Synthesizer.speak`, `speak_iter`, `speak_texts` and `stream`.

    Attributes:
      speaker: the name or the number of one of the voice's speakers; the first by default. A manifest's line can have
        a "speaker" of its own.
      pace: 1 by default; 2 is twice as fast, 0.5 half as fast.
      pitch: by how much it is higher, in standard deviations of the voice's pitch; 0 by default.
      pause: seconds of silence between two sentences of a text, 0.2 by default, beside what the voice makes by itself.
      denoise: how much of the vocoder's own hum is subtracted, 0 by default. A HiFi-GAN hums at some frequencies, of
        which 0.0025 removes most, as in NeMo; much more damages speech.
      style: a recording to speak like, as a path or an array at the voice's rate, for a voice with style tokens.
      normalized: whether the texts have numbers and abbreviations in words already, as a manifest's "normalized_text".
      batch_size: maximum number of sentences in a batch, 8 by default.
      on_error: "raise" at the first text that cannot be spoken (the default), or "skip": its result is empty and says
        why in `error`.
    """

    speaker: str | int | None
    pace: float
    pitch: float
    pause: float
    denoise: float
    style: Any
    normalized: bool
    batch_size: int
    on_error: OnError


class SpeakSettings(NamedTuple):
    """The options of a call: those above, each with its default."""

    manner: Manner = Manner()
    pause: float = 0.2
    denoise: float = 0.0
    normalized: bool = False
    batch_size: int = 8
    on_error: OnError = "raise"


def speak_settings(options: Mapping[str, Any], *, speakers: Sequence[str], synthesis: Synthesis) -> SpeakSettings:
    """Checks the options of a call, and fills in the defaults.

    Args:
      options: the keyword arguments of the call.
      speakers: of the voice, see `speaker_number`.
      synthesis: of the voice.

    Raises:
      TypeError: an unknown option, with Python's own wording.
      ConfigError: an invalid value.
      AudioError: the recording to speak like cannot be used.
    """
    known = SpeakOptions.__annotations__
    for name in options:
        if name not in known:
            raise TypeError(f"speak() got an unexpected keyword argument {name!r}{did_you_mean(name, known)}")
    for name, (least, most) in LIMITS.items():
        value = options.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ConfigError(f"{name} is {value!r}; it must be from {least:g} to {most:g}")
    given = dict(options)
    speaker, pace, pitch = given.pop("speaker", None), given.pop("pace", 1.0), given.pop("pitch", 0.0)
    style = given.pop("style", None)
    settings = SpeakSettings(**given)
    if settings.on_error not in get_args(OnError):
        raise ConfigError(f"on_error is {settings.on_error!r}; it can be raise or skip")
    if not isinstance(settings.batch_size, int) or settings.batch_size < 1:
        raise ConfigError(f"batch_size is {settings.batch_size!r}; it must be at least 1")
    number = 0 if speaker is None else speaker_number(speaker, speakers)
    heard = _style(style, synthesis)
    return settings._replace(manner=Manner(number, float(pace), float(pitch), heard))


def _style(recording: Any, synthesis: Synthesis) -> Any:
    """The samples of a recording to speak like."""
    if recording is None:
        if synthesis.styled and not synthesis.num_speakers:
            raise ConfigError("this voice speaks like a recording: give one as the style")
        return None
    if not synthesis.styled:
        raise ConfigError("this voice has no style tokens: leave out style")
    if isinstance(recording, str | os.PathLike):
        return read(recording, sample_rate=synthesis.sample_rate)[0]
    return to_samples(recording, name="style")


def speaker_number(speaker: Any, speakers: Sequence[str]) -> int:
    """The number of a speaker.

    Args:
      speaker: a name, or a number.
      speakers: the names of all, in order; none for a voice of one speaker.

    Raises:
      ConfigError: there is no such speaker.
    """
    if not speakers:
        raise ConfigError(f"this voice has one speaker, without a name: leave out speaker {speaker!r}")
    if isinstance(speaker, str) and speaker in speakers:
        return list(speakers).index(speaker)
    if not isinstance(speaker, int) or isinstance(speaker, bool):
        raise ConfigError(f"there is no speaker {speaker!r}{did_you_mean(str(speaker), speakers)}")
    if not 0 <= speaker < len(speakers):
        raise ConfigError(f"there is no speaker {speaker}; they are 0 to {len(speakers) - 1}")
    return speaker
