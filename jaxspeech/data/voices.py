"""Invents speakers: random definitions of variants for eSpeak NG.

eSpeak has about a hundred variants of its own, few enough for a recogniser to overfit to them. A definition scales the
synthesizer's formants, so a random one stays intelligible as long as the formants keep their order. The ranges are
roughly those of eSpeak's own variants.
"""

import random


def invent_voice(rng: random.Random) -> str:
    """Define a speaker: vocal tract, pitch, spectral tilt, breath. eSpeak's `docs/voices.md` has the units."""
    tract = rng.uniform(0.8, 1.35)  # above 1 a shorter tract, like a child's: all formants are higher
    pitch = 75 * 3.2 ** rng.random()
    lines = [
        "language variant",
        "name invented",
        f"pitch {pitch:.0f} {pitch * rng.uniform(1.15, 1.9):.0f}",
        f"voicing {_spread(rng, 75, 2.5)}",
        f"consonants {_spread(rng, 75, 2.7)} {_spread(rng, 75, 2.7)}",
        f"flutter {rng.randint(0, 8)}",
        f"roughness {rng.randint(0, 4)}",
    ]
    for formant in range(9):
        frequency = 100 * tract * rng.uniform(0.92, 1.08)
        lines.append(f"formant {formant} {frequency:.0f} {_spread(rng, 95, 1.6)} {_spread(rng, 100, 1.6)}")
    if rng.random() < 0.5:
        level, slope = rng.randint(160, 255), rng.uniform(0.3, 1.0)
        lines.append("tone " + " ".join(f"{hz} {level * slope**i:.0f}" for i, hz in enumerate((300, 900, 1800, 3500))))
    if rng.random() < 0.4:
        strongest = rng.randint(2, 13)
        lines.append("breath 0 " + " ".join(str(rng.randint(0, strongest)) for _ in range(7)))
    if rng.random() < 0.3:
        lines.append(f"echo {rng.randint(10, 150)} {rng.randint(5, 50)}")
    return "\n".join(lines) + "\n"


def _spread(rng: random.Random, centre: int, factor: float) -> int:
    """A random number between `centre` / `factor` and `centre` * `factor`, log-uniform."""
    return round(centre * factor ** rng.uniform(-1, 1))
