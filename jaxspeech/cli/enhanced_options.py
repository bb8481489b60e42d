"""The options of `evaluate` that score enhanced recordings."""

import argparse
from typing import Any

from jaxspeech.cli.parser import Parser, names
from jaxspeech.errors import ConfigError

# The options of these scores, with their defaults.
DEFAULTS: dict[str, Any] = {
    "noisy": [],
    "recognizer": None,
    "measures": [],
    "any_order": False,
    "clean_field": "target_filepath",
}
# Those that a model has too: one which enhances --manifest, or a voice which speaks it.
OF_MODELS_TOO = ("measures", "any_order", "clean_field", "recognizer")
# Options of other scores, which are not used here.
OF_OTHERS: dict[str, Any] = {"model": None, "manifest": [], "rttm": None, "seglst": None, "confidence": False}


def add_enhanced_options(parser: Parser) -> None:
    """Adds the options of these scores."""
    help = "the clean recordings, with which enhanced ones (FOUND) are compared: files, a folder, or a manifest"
    parser.add_argument("--clean", type=names, action="extend", default=[], metavar="CLEAN", help=help)
    help = "--clean: what the enhanced recordings were made of: files or a folder; of a manifest its audio_filepath"
    parser.add_argument("--noisy", type=names, action="extend", default=[], metavar="NOISY", help=help)
    parser.add_argument(
        "--measures",
        type=names,
        action="extend",
        default=[],
        metavar="NAMES",
        help="--clean, or a model that enhances: some of si_sdr, sdr, pesq, stoi, estoi, dnsmos; a voice: some of "
        "mel_distance, duration, pitch, dnsmos; by default all that are installed",
    )
    parser.add_switch("any_order", help="the same: the channels are separated sources, in any order")
    help = "--clean, or a voice: a model that recognises what is said, before and after, for its word error rate"
    parser.add_argument("--recognizer", metavar="MODEL", help=help)
    help = "--clean=MANIFEST, or a model that enhances --manifest: its field with the clean recording"
    parser.add_argument("--clean_field", default=DEFAULTS["clean_field"], help=help)


def is_of_enhanced(flags: argparse.Namespace) -> bool:
    """Whether the command line asks for scores of enhanced recordings.

    Raises:
      ConfigError: options of several kinds are mixed.
    """
    if not flags.clean:
        for name, default in DEFAULTS.items():
            if getattr(flags, name) != default and not (flags.model and name in OF_MODELS_TOO):
                raise ConfigError(f"--{name} has no effect without --clean=CLEAN")
        return False
    for name, default in OF_OTHERS.items():
        if getattr(flags, name) != default:
            hint = "; a recogniser is --recognizer=MODEL" if name == "model" else ""
            raise ConfigError(f"--{name} has no effect with --clean, which scores files{hint}")
    if not flags.found:
        raise ConfigError("what is to be scored? jaxspeech evaluate --clean=CLEAN FOUND")
    return True
