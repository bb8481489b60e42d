"""A corpus in which each word is a tone."""

import json
from pathlib import Path

import numpy as np
import soundfile

PITCHES = {"a": 300.0, "b": 700.0, "c": 1500.0}


def make_tones(folder: Path) -> None:
    """Writes {train,dev}.jsonl and their recordings."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 24), ("dev", 6)):
        lines = []
        for i in range(count):
            words = rng.choice(list(PITCHES), size=rng.integers(1, 4))
            time_axis = np.arange(4800) / 16000
            tones = [0.3 * np.sin(2 * np.pi * PITCHES[word] * time_axis) for word in words]
            samples = np.concatenate([np.zeros(1600), *tones])
            samples += 0.001 * rng.standard_normal(len(samples))
            soundfile.write(folder / f"{part}{i}.wav", samples, 16000)
            entry = {"audio_filepath": f"{part}{i}.wav", "duration": len(samples) / 16000, "text": " ".join(words)}
            entry["label"] = entry["speaker"] = words[0]  # for tasks with classes
            entry["turns"] = [[0.1 + 0.3 * n, 0.4 + 0.3 * n, word] for n, word in enumerate(words.tolist())]
            lines.append(json.dumps(entry) + "\n")
        (folder / f"{part}.jsonl").write_text("".join(lines))
