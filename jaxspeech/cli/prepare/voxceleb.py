"""Makes manifests and lists of trials of VoxCeleb 1 and 2 from the recordings on your disk.

  jaxspeech prepare voxceleb vox1 vox2 --trials=veri_test2.txt --output=data/voxceleb
  jaxspeech prepare voxceleb vox1 vox2 --trials=list_test_hard2.txt,list_test_all2.txt --output=data/voxceleb

writes train.jsonl and dev.jsonl of speakers who are in no trial, test.jsonl of the trials' recordings, and each list of
trials with the paths of the recordings, for `jaxspeech verify --trials`. The lists are those that VoxCeleb publishes:
veri_test2.txt is VoxCeleb1-O (cleaned), list_test_all2.txt is -E and list_test_hard2.txt -H.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser, at_least, names

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER", help="with id10001/1zcIwhmdeo4/00001.wav, ... below it"
    )
    parser.add_argument(
        "--trials", type=names, action="extend", default=[], help="official lists of trials, separated by commas"
    )
    parser.add_argument("--dev_speakers", type=at_least(0), default=40, help="speakers for dev, of those in no trial")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the manifests")


def run(flags: argparse.Namespace) -> None:
    """Writes the manifests and the lists, and reports what is in them."""
    from tqdm import tqdm

    from jaxspeech.data.manifest import write_manifest
    from jaxspeech.data.voxceleb import find_recordings, manifest_entries, read_official_trials
    from jaxspeech.errors import ConfigError
    from jaxspeech.files import replace_atomically

    places = [Path(path) for path in flags.trials]
    for place in places:
        if (flags.output / place.name).resolve() == place.resolve():
            raise ConfigError(f"{place}: would be overwritten; choose another --output")
    recordings = find_recordings(flags.folders)
    lists = {place.name: read_official_trials(place, recordings) for place in places}
    tested = {path for trials in lists.values() for _, *pair in trials for path in pair}
    sets = manifest_entries(recordings, tested, dev_speakers=flags.dev_speakers, report=tqdm.write)
    flags.output.mkdir(parents=True, exist_ok=True)
    for name, entries in sets.items():
        path = flags.output / f"{name}.jsonl"
        write_manifest(path, entries)
        print(f"{path}: {len(entries)} recordings of {len({entry['speaker'] for entry in entries})} speakers")
    for name, trials in lists.items():
        with replace_atomically(flags.output / name) as temporary:
            temporary.write_text("".join(f"{same}\t{a}\t{b}\n" for same, a, b in trials), encoding="utf-8")
        print(f"{flags.output / name}: {len(trials)} trials")
