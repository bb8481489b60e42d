"""What make_speaker_steps.py and its test share; it runs in NeMo's interpreter too."""

import numpy as np

FRAMES, MELS = 160, 80
COUNTS = ((150, 117, 94, 136), (150, 101, 133, 87), (143, 150, 98, 120), (109, 128, 150, 140))
# Values of each parameter that are compared.
MOST_VALUES = 24


def drawn_features(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws the features [B T F] of a batch, with zeros as padding, and their numbers of frames."""
    counts = np.array(COUNTS[batch])
    x = np.random.default_rng(batch).standard_normal((len(counts), FRAMES, MELS))
    return np.where(np.arange(FRAMES)[:, None] < counts[:, None, None], x, 0.0), counts


def some(values: np.ndarray) -> np.ndarray:
    """Takes about MOST_VALUES of the values of an array in NeMo's layout, at even distances, in float32."""
    flat = values.ravel()
    return flat[:: max(1, len(flat) // MOST_VALUES)].astype(np.float32)
