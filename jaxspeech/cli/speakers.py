"""The options of `jaxspeech transcribe` that name who says each word, and the diarizer that they ask for."""

import argparse
from pathlib import Path
from typing import Any

import jaxspeech
from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.errors import ConfigError
from jaxspeech.inference.options import SPEAKER_NUMBERS

# Options that need --speakers.
OF_SPEAKERS = (*SPEAKER_NUMBERS, "embedder", "enrolled", "threshold")
# A copy of the list in inference/writers.py, which is too slow to import for --help.
SPEAKER_FORMATS = ("seglst", "rttm")


def add_speakers(parser: Parser) -> None:
    """Adds --speakers and the options that need it."""
    parser.add_argument(
        "--speakers",
        metavar="MODEL",
        help="says who says each word: a model of diarization; a speaker model, whose embeddings are clustered; or an "
        "RTTM file with the turns, or a folder of them",
    )
    parser.add_argument("--num_speakers", type=at_least(1), help="--speakers: how many there are, if it is known")
    for name, which in (("min_speakers", "least"), ("max_speakers", "largest")):
        parser.add_argument(f"--{name}", type=at_least(1), help=f"--speakers: the {which} number, if it is not known")
    parser.add_argument(
        "--embedder",
        metavar="MODEL",
        help="--speakers: a speaker model, which makes one of diarization better",
    )
    add_enrolled(parser, needs="--speakers: ")


def add_enrolled(parser: Parser, *, needs: str = "") -> None:
    """Adds --enrolled and --threshold; `needs` begins the help of --enrolled, if it needs another option."""
    parser.add_argument(
        "--enrolled",
        metavar="VOICES.npz",
        help=f"{needs}the voices of people by name, as jaxspeech embed writes them; speakers with these voices get "
        "their names. Needs a speaker model",
    )
    parser.add_argument(
        "--threshold", type=float, help="--enrolled: the lowest cosine of a known voice; the model's if not given"
    )


def check_speakers(flags: argparse.Namespace, output_format: str) -> None:
    """Checks the options before anything is loaded.

    Raises:
      ConfigError: an option or the format needs another one.
    """
    if flags.speakers is None:
        if output_format in SPEAKER_FORMATS:
            raise ConfigError(f"--format={output_format} says who speaks: add --speakers=MODEL")
        for name in OF_SPEAKERS:
            if getattr(flags, name) is not None:
                raise ConfigError(f"--{name} is for finding speakers: add --speakers=MODEL")
    elif not flags.speakers:
        raise ConfigError(
            "which speakers? --speakers=FILE names a model of diarization or of speakers, or turns in RTTM"
        )
    elif flags.stream:
        for name in (*SPEAKER_NUMBERS, "enrolled"):
            if getattr(flags, name) is not None:
                raise ConfigError(f"--{name} is for whole recordings: leave out --stream")
    check_threshold(flags)


def check_threshold(flags: argparse.Namespace) -> None:
    """Checks that --threshold has the option that it is for."""
    if flags.threshold is not None and flags.enrolled is None:
        raise ConfigError("--threshold is for known voices: add --enrolled=VOICES.npz")


def open_recognizer(flags: argparse.Namespace, search: dict[str, Any]) -> Any:
    """Loads --model: a `Recognizer`, a `Chat` or, with --speakers, a `MultitalkerRecognizer`.

    Args:
      flags: of the command line.
      search: options of a recogniser's search; None where one is not given.

    Raises:
      ConfigError: it recognises no speech, or needs --speakers, or whole recordings.
    """
    from jaxspeech.loading import load_any

    found = load_any(flags.model, dtype=flags.dtype, **search)
    several = isinstance(found, jaxspeech.MultitalkerRecognizer)
    if not hasattr(found, "transcribe_iter") or (several and flags.speakers is None):
        # Which raises an error: how to load such a model, or what it needs.
        return jaxspeech.load(flags.model, dtype=flags.dtype, **search)
    if flags.stream and isinstance(found, jaxspeech.Chat):
        raise ConfigError(f"{flags.model} is a language model, which hears whole recordings: leave out --stream")
    if flags.stream and several:
        raise ConfigError(
            f"{flags.model} follows several speakers, live only in Python (MultitalkerRecognizer.conversations): "
            "leave out --stream"
        )
    return found


def open_speakers(flags: argparse.Namespace, voice_activity: Any = None) -> dict[str, Any]:
    """Loads what --speakers names; returns the options of `transcribe_iter`.

    Args:
      flags: of the command line.
      voice_activity: finds the speech that is clustered, if a speaker model is.

    Raises:
      ConfigError: it names no speakers, or the options do not go together.
    """
    if flags.speakers is None:
        return {}
    numbers = {name: getattr(flags, name) for name in SPEAKER_NUMBERS}
    if Path(flags.speakers).is_dir() or flags.speakers.lower().endswith((".rttm", ".rttm.gz")):
        return {"speakers": _of_file(flags, numbers)}
    found = _of_model(flags, voice_activity)
    if flags.enrolled is not None:
        found = with_names(found, flags.enrolled, threshold=flags.threshold)
    return {"speakers": found} | numbers


def _of_model(flags: argparse.Namespace, voice_activity: Any) -> Any:
    """The diarizer that a model is, or that is made of it."""
    from jaxspeech.loading import load_any
    from jaxspeech.pipelines.doors import DOORS

    found = load_any(flags.speakers, dtype=flags.dtype)
    if isinstance(found, jaxspeech.Embedder):
        if flags.embedder is not None:
            raise ConfigError(f"--embedder is for a model of diarization; {flags.speakers} is a speaker model itself")
        return jaxspeech.ClusteringDiarizer(found, *([] if voice_activity is None else [voice_activity]))
    if not hasattr(found, "diarize_iter"):
        noun = DOORS[type(found.task.inference)].noun
        raise ConfigError(f"{flags.speakers} is {noun}: --speakers takes a model of diarization, or of speakers")
    if flags.embedder is not None:
        found.embedder = jaxspeech.load(flags.embedder, jaxspeech.Embedder, dtype=flags.dtype)
    return found


def _of_file(flags: argparse.Namespace, numbers: dict[str, Any]) -> Any:
    from jaxspeech.pipelines.known_turns import KnownTurns

    for name in OF_SPEAKERS:
        if getattr(flags, name) is not None:
            raise ConfigError(f"--{name} has no effect with turns that are known: {flags.speakers}")
    return KnownTurns(flags.speakers)


def with_names(diarizer: Any, voices: str, *, threshold: float | None) -> Any:
    """Returns the diarizer whose speakers have the names of known people.

    Args:
      diarizer: with an embedder.
      voices: the file of --enrolled.
      threshold: of --threshold.

    Raises:
      ConfigError: the diarizer has no embedder, or the file is not of its model.
    """
    from jaxspeech.inference.enrolment_file import read_enrolment
    from jaxspeech.pipelines.named_diarizer import NamedDiarizer

    embedder = getattr(diarizer, "embedder", None)
    if embedder is None:
        raise ConfigError("--enrolled compares voices, which needs a speaker model: add --embedder=MODEL")
    embedder.enrolment = read_enrolment(voices, width=embedder.task.inference.width)
    return NamedDiarizer(diarizer, embedder, threshold=threshold)
