"""Leaves speakers out of a corpus, to verify a speaker model on people whom it has not heard.

  jaxspeech prepare speakers librispeech_mini/train.jsonl librispeech_mini/dev.jsonl --output=data/speakers

writes data/speakers/train.jsonl and, of the speakers left out, test.jsonl and trials.txt, the list of trials for
`jaxspeech verify --trials`. With --dev=N, N further speakers are in dev.jsonl, to choose a model by. Who is left out
follows from --seed alone.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.errors import ConfigError, ManifestError

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("manifests", nargs="+", metavar="MANIFEST", help="recordings with the names of their speakers")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the manifests")
    parser.add_argument("--test", type=at_least(2), default=7, help="speakers to leave out for the trials")
    parser.add_argument("--dev", type=at_least(0), default=0, help="speakers to leave out for dev.jsonl")
    parser.add_argument("--trials", type=at_least(2), default=6000, help="number of trials")
    parser.add_argument("--field", default="speaker", help="the manifests' field that names the speaker")
    parser.add_argument("--seed", type=at_least(0), default=0, help="determines the speakers and the trials")


def run(flags: argparse.Namespace) -> None:
    """Writes the manifests and the trials, and reports how many there are."""
    from tqdm import tqdm

    from jaxspeech.data.manifest import Manifest, write_manifest
    from jaxspeech.data.problems import Problems
    from jaxspeech.data.speaker_trials import Recording, draw_speakers, draw_trials
    from jaxspeech.files import replace_atomically
    from jaxspeech.text.classes import class_name

    for source in flags.manifests:
        if Path(source).resolve().parent == flags.output.resolve():
            raise ConfigError(f"{source}: is in the folder of the output; choose another --output")
    manifest = Manifest(flags.manifests, problems=Problems(report=tqdm.write))
    found = []
    for entry in manifest:
        name = class_name(entry.fields, flags.field)
        if name is None:
            continue
        if entry.offset or entry.member is not None:
            raise ManifestError(f"{entry.path}: trials need a file for each recording; this is a part of one")
        path = str(Path(entry.path).resolve())
        fields = entry.fields | {"audio_filepath": path, "duration": entry.duration}
        found.append((Recording(path, name, str(entry.fields.get("gender") or "")), fields))
    if not found:
        raise ManifestError(f"{', '.join(flags.manifests)}: no line has the field {flags.field!r}")
    recordings = [recording for recording, _ in found]
    test, dev = draw_speakers(recordings, (flags.test, flags.dev), seed=flags.seed)
    trials = draw_trials([r for r in recordings if r.speaker in test], flags.trials, seed=flags.seed)
    flags.output.mkdir(parents=True, exist_ok=True)
    groups = {"train": {r.speaker for r in recordings} - {*test, *dev}, "dev": set(dev), "test": set(test)}
    for name, speakers in groups.items():
        if speakers:
            lines = [fields for recording, fields in found if recording.speaker in speakers]
            write_manifest(flags.output / f"{name}.jsonl", lines)
            print(f"{flags.output / name}.jsonl: {len(lines)} recordings of {len(speakers)} speakers")
    with replace_atomically(flags.output / "trials.txt") as temporary:
        temporary.write_text("".join(f"{int(t.same)}\t{t.one}\t{t.other}\n" for t in trials), encoding="utf-8")
    same = sum(trial.same for trial in trials)
    print(f"{flags.output / 'trials.txt'}: {same} trials of the same speaker, {len(trials) - same} of two")
