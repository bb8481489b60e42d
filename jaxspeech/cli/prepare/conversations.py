"""Simulates conversations from a manifest of utterances with the names of their speakers, with the true turns.

  jaxspeech prepare conversations --manifest=train.jsonl --output=data/talks --speakers=2-3 --sessions=200 --minutes=1.5
  jaxspeech prepare conversations --manifest=train.jsonl --output=data/talks --turns=1-6 --overlap=0.15 \\
      --rooms=rooms.jsonl --noise=noises.jsonl --snr=10-30

writes data/talks/audio/*.flac, rttm/*.rttm, manifest.jsonl and, where the utterances are whole and have texts,
seglst/*.seglst.json: words with their speakers. Ranges are LEAST-MOST. A conversation follows from --seed and its
number alone. If interrupted, it resumes when it is run again, and a greater --sessions adds conversations.
"""

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxspeech.cli.parser import Parser, at_least, names

EXTRA = "train"


def between(kind: Callable[[str], Any], *, least: int | float) -> Callable[[str], tuple[Any, Any]]:
    """The type of an option whose value is a range, LEAST-MOST, or one number.

    Args:
      kind: int or float.
      least: the lowest number.
    """
    number = r"[+-]?\d+" if kind is int else r"[+-]?(?:\d+\.?\d*|\.\d+)"
    what = "whole numbers" if kind is int else "numbers"

    def parse(value: str) -> tuple[Any, Any]:
        found = re.fullmatch(rf"({number})(?:-({number}))?", value.strip())
        ends = (kind(found[1]), kind(found[2] or found[1])) if found else (0, -1)
        if not least <= ends[0] <= ends[1]:
            above = f" of {least:g} or more" if least > float("-inf") else ""
            raise argparse.ArgumentTypeError(f"{value!r} is not LEAST-MOST, two {what}{above}, or one")
        return ends

    return parse


def share(most: float) -> Callable[[str], tuple[float, float]]:
    """The type of an option whose value is a share from 0 to `most`, or a range of shares."""
    read = between(float, least=0)

    def parse(value: str) -> tuple[float, float]:
        found = read(value)
        if found[1] > most:
            raise argparse.ArgumentTypeError(f"{value!r} is not a share from 0 to {most:g}, or LEAST-MOST of it")
        return found

    return parse


def options(parser: Parser) -> None:
    """Adds the options."""
    any_number = between(float, least=float("-inf"))
    parser.add_argument("--manifest", type=names, action="extend", required=True, help="utterances of one speaker each")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the files")
    parser.add_argument("--sessions", type=at_least(1), default=200, help="number of conversations")
    parser.add_argument("--speakers", type=between(int, least=1), default=(2, 3), help="of each; 2-3 by default")
    parser.add_argument(
        "--minutes", type=between(float, least=0.02), default=(1.5, 1.5), help="of each; 1.5 by default"
    )
    parser.add_argument(
        "--overlap", type=share(0.8), default=(0.1, 0.1), help="share of the speech in which two speak; 0.1"
    )
    parser.add_argument("--pauses", type=share(0.9), default=(0.1, 0.1), help="share of the time without speech; 0.1")
    parser.add_argument(
        "--turns", type=between(float, least=0.3), help="seconds to which longer utterances are cut; without, none is"
    )
    parser.add_argument("--change", type=share(1.0), default=(0.9, 0.9), help="probability of a new speaker; 0.9")
    parser.add_argument("--rooms", default="", help="a manifest of impulse responses of rooms")
    parser.add_argument("--noise", default="", help="a manifest of noises")
    parser.add_argument("--snr", type=any_number, default=(10.0, 30.0), help="dB of speech to noise; 10-30 by default")
    parser.add_argument(
        "--leave_out", type=names, action="extend", default=[], help="manifests whose speakers take no part"
    )
    parser.add_argument("--field", default="speaker", help="the manifest's field that names the speaker")
    parser.add_argument("--sample_rate", type=at_least(1000), default=16000, help="in Hz; 16000 by default")
    parser.add_argument("--format", choices=("flac", "wav"), default="flac", help="of the audio; flac by default")
    parser.add_argument("--workers", type=at_least(1), default=os.cpu_count() or 1, help="number of processes")
    parser.add_argument("--seed", type=at_least(0), default=0, help="determines what is drawn")


def run(flags: argparse.Namespace) -> None:
    """Writes the conversations and reports what is in them."""
    from tqdm import tqdm

    from jaxspeech.data.conversation_files import Request, write_conversations
    from jaxspeech.data.conversation_options import ConversationOptions
    from jaxspeech.data.manifest import Manifest

    chosen = ConversationOptions(
        speakers=flags.speakers,
        seconds=(60 * flags.minutes[0], 60 * flags.minutes[1]),
        overlap=flags.overlap,
        pauses=flags.pauses,
        turns=flags.turns or (),
        change=flags.change[0],
        rooms=flags.rooms,
        noise=flags.noise,
        snr_db=flags.snr,
        leave_out=tuple(flags.leave_out),
    )
    asked: dict[str, Any] = {"field": flags.field, "sample_rate": flags.sample_rate, "seed": flags.seed}
    request = Request(tuple(flags.manifest), chosen, suffix=flags.format, **asked)
    try:
        path, before = write_conversations(
            request, flags.output, count=flags.sessions, workers=flags.workers, report=tqdm.write
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; run the command again to resume") from None
    made = Manifest(path)
    there = f", {before} of them from before" if before else ""
    print(f"{path}: {len(made)} conversations, {made.durations.sum() / 3600:.2f} hours{there}")
