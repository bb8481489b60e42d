"""The part of the verb transcribe that is live: standard input or files, fed to the model step by step."""

import argparse
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.errors import ConfigError

if TYPE_CHECKING:
    from jaxspeech.inference.hypothesis import Hypothesis
    from jaxspeech.inference.inputs import Recording
    from jaxspeech.inference.live import StepTimes

# How a model is fed, when it writes, and when an utterance ends.
STEPS = ("look_ahead", "chunk", "policy", "left", "wait", "tokens", "hold", "end_silence")


def add_live(parser: Parser) -> None:
    """Adds --stream and the options that need it."""
    parser.add_switch(
        "stream",
        help="show the text while it is spoken: the audio is fed to the model step by step. The path - is standard "
        "input, as WAV or as 16-bit samples without a header. Needs a streaming model, like those of "
        "fastconformer_streaming, or one with an attention decoder",
    )
    parser.add_argument(
        "--look_ahead", type=at_least(0), help="--stream: look-ahead in frames; the model's default if not given"
    )
    parser.add_argument(
        "--chunk",
        type=at_least(1),
        help="--stream: frames of a chunk, for a unified model or an attention decoder; its default if not given",
    )
    parser.add_argument(
        "--policy",
        choices=("alignatt", "waitk"),
        help="--stream with an attention decoder: a token is written once enough is heard after it (alignatt, the "
        "default), or after a fixed number of chunks (waitk)",
    )
    parser.add_argument(
        "--left", type=at_least(0), help="--stream with an attention decoder: frames before a chunk that it hears again"
    )
    parser.add_argument(
        "--wait",
        type=at_least(0),
        help="--stream with an attention decoder: chunks before the first token; 2 by default",
    )
    parser.add_argument(
        "--tokens", type=at_least(1), help="--policy=waitk: the most tokens that are written for a chunk; 1 by default"
    )
    parser.add_argument(
        "--hold", type=at_least(0), help="--policy=alignatt: frames that must be heard after a token; 8 by default"
    )
    parser.add_argument(
        "--end_silence",
        type=float,
        metavar="SECONDS",
        help="--stream: divide the text into utterances, each of which ends after so many seconds without a token; a "
        "model with tokens for the ends of utterances divides it after these anyway",
    )
    parser.add_switch("realtime", help="--stream: read files in real time, at the speed of the speech")
    parser.add_argument(
        "--sample_rate",
        type=at_least(1),
        help="--stream: sample rate of standard input without a header, in Hz; the model's by default",
    )


def check_live(flags: argparse.Namespace) -> None:
    """Raises ConfigError if an option that needs --stream is given without it."""
    values = {name: getattr(flags, name) for name in (*STEPS, "realtime", "sample_rate")}
    given = [f"--{name}" for name, value in values.items() if value is not None and value is not False]
    if given and not flags.stream:
        raise ConfigError(f"{given[0]} is for live audio: add --stream")


def open_streams(
    recognizer: Any, flags: argparse.Namespace, speakers: dict[str, Any], detector: dict[str, Any], **settings: Any
) -> Any:
    """Opens a stream, which finds speakers, or leaves out what is no speech, if it is given a model for that.

    Args:
      recognizer: runs the stream.
      flags: the parsed options.
      speakers: {"speakers": ...}, or nothing.
      detector: {"voice_activity": ...}, or nothing.
      **settings: further settings of the stream.
    """
    settings = {name: getattr(flags, name) for name in STEPS} | settings
    if speakers:
        return recognizer.spoken_streams(1, speakers["speakers"], **detector, **settings)
    if detector:
        return recognizer.gated_streams(1, **detector, **settings)
    return recognizer.streams(1, **settings)


def transcribed_live(
    recognizer: Any,
    streams: Any,
    recordings: "Iterable[Recording]",
    flags: argparse.Namespace,
    *,
    show: Callable[..., None],
    times: "StepTimes",
) -> "Iterator[Hypothesis]":
    """Transcribes recordings step by step; `show` is called with what is known so far."""
    from jaxspeech.inference.live import transcribe_live
    from jaxspeech.inference.read_ahead import read_recording

    return transcribe_live(
        streams,
        recordings,
        functools.partial(read_recording, sample_rate=recognizer.task.inference.sample_rate, channel=flags.channel),
        show=show,
        times=times,
        realtime=flags.realtime,
        pipe_rate=flags.sample_rate,
        pipe_channel=flags.channel,
    )
