"""Mixes speech with noise, in rooms if asked, for tests: noisy files and clean ones of the same names.

  jaxspeech prepare mixtures --manifest=dev.jsonl --noise=noises.jsonl --snr=0 --output=data/noisy_dev
  jaxspeech prepare mixtures --manifest=dev.jsonl --noise=noises.jsonl --snr=0-10 --rooms=rooms.jsonl --channels=4 \\
      --output=data/four_microphones

writes data/noisy_dev/noisy/*.flac, clean/*.flac and manifest.jsonl, whose lines name both (audio_filepath and
target_filepath). Ranges are LEAST-MOST. A mixture follows from --seed and the number of its line alone. Without
--noise, noises are computed. Options that only a recipe has are described in docs/mixtures.md.
"""

import argparse
from pathlib import Path
from typing import Any

from jaxspeech.cli.parser import Parser, at_least, names
from jaxspeech.cli.prepare.conversations import between

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    any_number = between(float, least=float("-inf"))
    parser.add_argument("--manifest", type=names, action="extend", required=True, help="speech, one talker a line")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the files")
    parser.add_argument("--noise", type=names, action="extend", default=[], help="manifests of noises")
    parser.add_argument("--snr", type=any_number, default=(0.0, 0.0), help="dB of speech to noise; 0 by default")
    parser.add_argument("--talkers", type=between(int, least=1), default=(1, 1), help="in each mixture; 1 by default")
    parser.add_argument("--sir", type=any_number, default=(0.0, 0.0), help="dB of the first talker to each other one")
    parser.add_argument("--all_talkers", action="store_true", help="clean files have a channel for each talker")
    parser.add_argument("--rooms", default="", help="a manifest of impulse responses, or `simulated`")
    parser.add_argument("--channels", type=at_least(1), default=1, help="microphones of the rooms; 1 by default")
    parser.add_argument("--keep", choices=("all", "early", "direct"), default="all", help="of the room in clean files")
    parser.add_argument("--sample_rate", type=at_least(1000), default=16000, help="in Hz; 16000 by default")
    parser.add_argument("--format", choices=("flac", "wav"), default="flac", help="of the audio; flac by default")
    parser.add_argument("--seed", type=at_least(0), default=0, help="determines what is drawn")


def run(flags: argparse.Namespace) -> None:
    """Writes the mixtures and reports how many there are."""
    from tqdm import tqdm

    from jaxspeech.data.manifest import Manifest
    from jaxspeech.data.mixture_files import write_mixtures
    from jaxspeech.data.mixture_options import MixtureOptions
    from jaxspeech.data.room_options import RoomOptions

    chosen = MixtureOptions(
        noise=tuple(flags.noise),
        generated=0.0 if flags.noise else 1.0,
        snr_db=flags.snr,
        talkers=flags.talkers,
        sir_db=flags.sir,
        targets=("talker",) * (flags.talkers[1] if flags.all_talkers else 1),
        rooms=RoomOptions() if flags.rooms == "simulated" else flags.rooms,
        channels=flags.channels,
        keep=flags.keep,
    )
    asked: dict[str, Any] = {"sample_rate": flags.sample_rate, "seed": flags.seed, "suffix": flags.format}
    path, unusable = write_mixtures(flags.manifest, chosen, flags.output, report=tqdm.write, **asked)
    made = Manifest(path)
    left = f", {unusable} lines could not be used" if unusable else ""
    print(f"{path}: {len(made)} mixtures, {made.durations.sum() / 3600:.2f} hours{left}")
