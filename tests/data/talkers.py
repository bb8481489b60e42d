"""A corpus of three speakers, each of whom is one tone, so that who is heard can be measured in a mixture."""

import json
from pathlib import Path

import numpy as np
import soundfile

RATE = 8000
PITCHES = {"ann": 500.0, "bob": 1300.0, "cy": 2900.0}


def make_corpus(folder: Path, *, each: int = 4) -> Path:
    """Writes utterances of 1 to 3 s with a pause of 0.5 s in the middle, and silence of 0.4 s at both ends."""
    rng = np.random.default_rng(0)
    lines = []
    for speaker, pitch in PITCHES.items():
        for i in range(each):
            parts = rng.uniform(0.5, 1.5, 2)
            tones = [np.sin(2 * np.pi * pitch * np.arange(int(s * RATE)) / RATE) for s in parts]
            quiet, pause = np.zeros(int(0.4 * RATE)), np.zeros(int(0.5 * RATE))
            samples = 0.3 * rng.uniform(0.3, 1) * np.concatenate([quiet, tones[0], pause, tones[1], quiet])
            samples += 1e-4 * rng.standard_normal(len(samples))
            soundfile.write(folder / f"{speaker}{i}.wav", samples, RATE)
            line = {"audio_filepath": f"{speaker}{i}.wav", "duration": len(samples) / RATE, "speaker": speaker}
            lines.append(line | {"text": f"{speaker} says {i}"})
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "corpus.jsonl"


def heard(samples: np.ndarray, pitch: float) -> np.ndarray:
    """Whether the tone is heard, every 10 ms."""
    carried = samples * np.exp(-2j * np.pi * pitch * np.arange(len(samples)) / RATE)
    level = np.abs(np.convolve(carried, np.hanning(240) / 120, "same"))[:: RATE // 100]
    return level > 0.2 * np.quantile(level, 0.98)
