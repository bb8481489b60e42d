"""Makes the manifests of VoxLingua107 from the folders of languages on your disk.

  jaxspeech prepare voxlingua107 voxlingua107 --output=data/voxlingua107

writes data/voxlingua107/train.jsonl and, from the folder dev, dev.jsonl; the label is the code of the language.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser
from jaxspeech.cli.prepare.speech_commands import write_labelled

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="with a folder for each language, and one named dev"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the manifests")


def run(flags: argparse.Namespace) -> None:
    """Writes the manifests and reports how many recordings they have."""
    from tqdm import tqdm

    from jaxspeech.data.voxlingua import voxlingua107

    write_labelled(flags.output, voxlingua107(flags.folder, report=tqdm.write))
