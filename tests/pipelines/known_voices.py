"""Conversations in which who speaks can be read off the samples, with models that do so instead of learned ones.

Speaker k adds 2^k times `STEP` to the level: the level of a frame says who speaks in it.
"""

from types import SimpleNamespace

import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.pipelines import diarizer as module
from jaxspeech.pipelines import pipeline
from jaxspeech.pipelines.diarizer import Diarizer
from jaxspeech.pipelines.doors import Opened
from jaxspeech.pipelines.embedder import Embedded, Embedder
from jaxspeech.tasks.kinds import Diarization

RATE, FRAME, LOCAL, EVERYONE = 1000, 0.08, 3, 9
STEP = 1e-3
SIZE = round(FRAME * RATE)


def conversation(turns, seconds):
    """The samples of turns (start, end, number of the speaker)."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    for start, end, speaker in turns:
        samples[round(start * RATE) : round(end * RATE)] += STEP * 2**speaker
    return samples


def who(samples):
    """Whether each speaker speaks in each frame: [T 9]."""
    count = -(-len(samples) // SIZE)
    padded = np.pad(samples, (0, count * SIZE - len(samples)))
    levels = np.round(padded.reshape(count, SIZE)[:, SIZE // 2] / STEP).astype(int)
    return (levels[:, None] >> np.arange(EVERYONE)) & 1


class KnownPrograms:
    """Finds the first three speakers of a window, in the order in which they begin, as Sortformer would."""

    def __init__(self, *args, **options):
        self.windows = []

    def start(self, variables, shape, audio):
        found = np.zeros((shape.rows, -(-shape.length // SIZE), LOCAL), np.float32)
        lengths = np.zeros(shape.rows, np.int32)
        for row, i in enumerate(shape.indices):
            self.windows.append(len(audio[i]))
            active = who(audio[i])
            order = sorted(np.flatnonzero(active.any(0)), key=lambda k: active[:, k].argmax())[:LOCAL]
            lengths[row] = len(active)
            found[row, : len(active), : len(order)] = 0.9 * active[:, order]
        return (found + 0.02, lengths), ""


def known_diarizer(monkeypatch, **options):
    task = SimpleNamespace(inference=Diarization(RATE, FRAME, LOCAL, lambda *args: args), model=None)
    monkeypatch.setattr(pipeline, "open_model", lambda *args, **options: Opened({}, task, {}))
    monkeypatch.setattr(module, "Programs", KnownPrograms)
    return Diarizer(Archive({}, {}, {}, {}), **options)


class KnownEmbedder(Embedder):
    """Knows the share of each speaker in what it hears; who speaks alone has a vector of his own."""

    def __init__(self):
        self.metadata = {"threshold": 0.5}

    def embed_iter(self, inputs, **options):
        for part in inputs:
            shares = who(part).mean(0)
            yield Embedded("", len(part) / RATE, (shares + 0.05).astype(np.float32))
