"""Makes the manifests of a speech corpus, and fetches or synthesizes its audio.

  jaxspeech prepare fsdd
  jaxspeech prepare librispeech --parts=train-clean-100,dev-clean --output=/data

If interrupted, it resumes when it is run again. A corpus whose manifests exist already is left unchanged.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser, names
from jaxspeech.errors import ConfigError

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--output", type=Path, default=Path("data"), metavar="FOLDER", help="the corpus is put in a subfolder of this"
    )
    parser.add_argument(
        "--parts", type=names, action="extend", default=[], help="for librispeech: the parts to prepare; all by default"
    )


def run(flags: argparse.Namespace) -> None:
    """Prepares the corpus that the verb names."""
    from jaxspeech.data import prepare
    from jaxspeech.data.run_data import PREPARE as spoken

    fetched = {"fsdd": prepare.prepare_fsdd, "librispeech_mini": prepare.prepare_librispeech_mini}
    folder = flags.output / flags.verb
    if flags.parts and flags.verb != "librispeech":
        raise ConfigError(f"--parts is for librispeech; {flags.verb} has only one part")
    try:
        if flags.verb in spoken:
            for manifest in spoken[flags.verb].make(folder).values():
                print(manifest)
        elif flags.verb == "librispeech":
            prepare.prepare_librispeech(folder, flags.parts or list(prepare.LIBRISPEECH))
        elif (folder / "train.jsonl").exists() and (folder / "dev.jsonl").exists():
            print(f"{folder}: already exists")
        else:
            fetched[flags.verb](folder)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; run the command again to resume") from None
