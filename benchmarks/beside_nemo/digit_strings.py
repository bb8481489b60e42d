"""Makes strings of four digits from the single digits of FSDD: several words per utterance, and larger lattices.

    python -m benchmarks.beside_nemo.digit_strings --data=DATA

Writes DATA/digit_strings/{train,dev}.jsonl and their audio from DATA/fsdd/{train,dev}.jsonl. A string has one speaker,
a pause of 50 to 150 ms after each digit, and four different recordings; dev uses each recording once, train four times.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile

from jaxspeech.audio.read import read
from jaxspeech.data.manifest import Manifest, write_manifest
from jaxspeech.runtime.command import run

DIGITS = 4
PASSES = {"train": 4, "dev": 1}
PAUSE_SECONDS = (0.05, 0.15)
SAMPLE_RATE = 8000


def write_strings(source: Path, folder: Path, *, passes: int) -> int:
    """Write folder.jsonl and the audio below `folder`; return the number of strings."""
    recordings = defaultdict(list)
    for entry in Manifest(source, need=("text",)):
        recordings[entry.fields["speaker"]].append(entry)
    folder.mkdir(parents=True, exist_ok=True)
    rng, lines = np.random.default_rng(0), []
    for _ in range(passes):
        for speaker, entries in sorted(recordings.items()):
            order = rng.permutation(len(entries))
            for first in range(0, len(order) - DIGITS + 1, DIGITS):
                chosen = [entries[i] for i in order[first : first + DIGITS]]
                pauses = (rng.uniform(*PAUSE_SECONDS, DIGITS) * SAMPLE_RATE).astype(int)
                sound = [read(entry.path, sample_rate=SAMPLE_RATE)[0] for entry in chosen]
                samples = np.concatenate([np.pad(s, (0, pause)) for s, pause in zip(sound, pauses, strict=True)])
                path = folder / f"{len(lines):05d}.flac"
                soundfile.write(path, samples, SAMPLE_RATE)
                text = " ".join(entry.fields["text"] for entry in chosen)
                name = f"{folder.name}/{path.name}"
                seconds = round(len(samples) / SAMPLE_RATE, 4)
                lines.append({"audio_filepath": name, "duration": seconds, "text": text, "speaker": speaker})
    write_manifest(folder.with_suffix(".jsonl"), lines)
    return len(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    for part, passes in PASSES.items():
        folder = data / "digit_strings" / part
        count = write_strings(data / "fsdd" / f"{part}.jsonl", folder, passes=passes)
        print(f"{folder}.jsonl: {count} strings")


if __name__ == "__main__":
    sys.exit(run(main))
