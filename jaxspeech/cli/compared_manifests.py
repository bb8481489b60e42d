"""Reads the manifests of `evaluate --compare`: transcripts of the same recordings by several systems."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxspeech.cli.recordings import counted, report
from jaxspeech.cli.systems import Systems, distinct
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.predictions import prediction_of, read_predictions

# A message lists no more names than this.
MOST_LISTED = 3


def read_systems(flags: argparse.Namespace) -> Systems:
    """The transcripts of --compare for the recordings that all manifests have."""
    paths = [*flags.compare, *flags.found]
    if flags.manifest or len(paths) < 2:
        raise ConfigError("--compare needs two manifests or more: jaxspeech evaluate --compare a.jsonl b.jsonl")
    names, parts = distinct([Path(path).stem for path in paths], paths), {}
    for name, path in zip(names, paths, strict=True):
        recordings = list(read_predictions(path, text_field=flags.text_field))
        if all(recording.problem for recording in recordings):
            raise ManifestError(recordings[0].problem)
        pairs = [(recording, prediction_of(recording, field=flags.pred_field)) for recording in recordings]
        for _, hypothesis in pairs:
            if hypothesis.error is not None:
                report(f"skipped: {hypothesis.error}")
        usable = [(recording, hypothesis.text) for recording, hypothesis in pairs if hypothesis.error is None]
        parts[name] = dict(zip(_keys([recording for recording, _ in usable]), usable, strict=True))
    first, *others = parts.values()
    common = [key for key in first if all(key in part for part in others)]
    for name, part in parts.items():
        if extra := [key for key in part if key not in set(common)]:
            shown = ", ".join(str(part[key][0].source) for key in extra[:MOST_LISTED])
            report(f"{name}: {counted(len(extra), 'recording')} that another one lacks left out: {shown}")
    common = [key for key in common if first[key][0].text is not None]
    if not common:
        raise ManifestError(f"no recording with a reference is in all of {', '.join(paths)}")
    if changed := sum(any(part[key][0].text not in (None, first[key][0].text) for part in others) for key in common):
        report(f"{counted(changed, 'recording')} with different references: those of {paths[0]} count")
    recordings = [first[key][0] for key in common]
    texts = {name: [part[key][1] for key in common] for name, part in parts.items()}
    return Systems(recordings, texts, {}, sum(x.duration or 0.0 for x in recordings))


def _keys(recordings: Sequence[Recording]) -> list[Any]:
    """What finds each line in other manifests: its audio, its "id" or its place, and which one of equal ones it is."""
    seen: Counter[Any] = Counter()
    keys = []
    for number, recording in enumerate(recordings):
        fields = recording.fields
        name = fields.get("audio_filepath") or fields.get("id")
        key = (number,) if name is None else (str(name), recording.offset, fields.get("channel"))
        keys.append((*key, seen[key]))
        seen[key] += 1
    return keys
