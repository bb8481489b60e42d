"""Makes manifests of a folder whose subfolders are classes, for example Speech Commands v2 on your disk.

  jaxspeech prepare speech_commands speech_commands_v0.02 --output=data/speech_commands
  jaxspeech prepare speech_commands speech_commands_v0.02 --twelve --output=data/speech_commands_12

writes data/speech_commands/train.jsonl and, where the folder has validation_list.txt and testing_list.txt, dev.jsonl
and test.jsonl; the label of a recording is the name of its folder.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxspeech.cli.parser import Parser

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="with a folder for each class")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the manifests")
    parser.add_switch("twelve", help="ten words, unknown for the other words, and silence, from the background noises")


def run(flags: argparse.Namespace) -> None:
    """Writes the manifests and reports how many recordings they have."""
    from tqdm import tqdm

    from jaxspeech.data.labelled_folders import labelled_folders, twelve_classes

    manifests = labelled_folders(flags.folder, report=tqdm.write)
    if flags.twelve:
        manifests = twelve_classes(flags.folder, manifests, report=tqdm.write)
    write_labelled(flags.output, manifests)


def write_labelled(output: Path, manifests: Mapping[str, list[dict[str, Any]]]) -> None:
    """Writes manifests whose entries have labels, and prints a line about each."""
    from jaxspeech.data.manifest import write_manifest

    output.mkdir(parents=True, exist_ok=True)
    for name, entries in manifests.items():
        if entries:
            path = output / f"{name}.jsonl"
            write_manifest(path, entries)
            labels = {entry["label"] for entry in entries}
            print(f"{path}: {len(entries)} recordings of {len(labels)} classes")
