"""Makes manifests of a folder whose subfolders are classes, such as Speech Commands on your disk.

  jaxspeech prepare speech_commands speech_commands_v0.02 --output=data/speech_commands

writes data/speech_commands/train.jsonl and, where the folder has validation_list.txt and testing_list.txt, dev.jsonl
and test.jsonl; the label of a recording is the name of its folder.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="with a folder for each class")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the manifests")


def run(flags: argparse.Namespace) -> None:
    """Writes the manifests and reports how many recordings they have."""
    from tqdm import tqdm

    from jaxspeech.data.labelled_folders import labelled_folders
    from jaxspeech.data.manifest import write_manifest

    manifests = labelled_folders(flags.folder, report=tqdm.write)
    flags.output.mkdir(parents=True, exist_ok=True)
    for name, entries in manifests.items():
        if entries:
            path = flags.output / f"{name}.jsonl"
            write_manifest(path, entries)
            labels = {entry["label"] for entry in entries}
            print(f"{path}: {len(entries)} recordings of {len(labels)} classes")
