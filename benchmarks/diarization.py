"""Measures the clustering of speaker embeddings, of windows of five lengths as NeMo's general setting has them."""

from functools import partial
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.timing import measure
from jaxspeech.diarization.affinity import Scale
from jaxspeech.diarization.clustering import cluster

# Length of the windows and time from one to the next, in seconds.
WINDOWS = ((1.5, 0.75), (1.25, 0.625), (1.0, 0.5), (0.75, 0.375), (0.5, 0.25))
SPEAKERS, WIDTH = 4, 192


def conversation(seconds: float) -> tuple[list[Scale], Any]:
    """Makes embeddings of a conversation of four speakers, and who is in the middle of each of the shortest windows."""
    rng = np.random.default_rng(0)
    voices = rng.standard_normal((SPEAKERS, WIDTH))
    turns = max(2000, int(seconds))
    ends, who = np.cumsum(rng.uniform(2, 8, turns)), rng.integers(0, SPEAKERS, turns + 1)
    scales, speaker = [], who
    for window, shift in WINDOWS:
        starts = np.arange(0, seconds - window, shift)
        speaker = who[np.searchsorted(ends, starts + window / 2)]
        noise = 0.8 * rng.standard_normal((len(starts), WIDTH)) * np.sqrt(1.5 / window)
        times = np.stack([starts, starts + window], 1).astype(np.float32)
        scales.append(Scale((voices[speaker] + noise).astype(np.float32), times))
    return scales, speaker


def clustering(repeat: int, *, hours: float) -> dict[str, Any]:
    """Clusters the windows of a recording, whose number of speakers is not known."""
    scales, speaker = conversation(3600 * hours)
    found = cluster(scales)
    times = measure(lambda: cluster(scales).labels, repeat or 1, warmup=1)
    common = np.zeros((SPEAKERS, found.speakers))
    np.add.at(common, (speaker, found.labels), 1)
    right = common[linear_sum_assignment(-common)].sum() / len(speaker)
    counts = {"base_segments": len(speaker), "speakers_found": found.speakers, "accuracy": right}
    return {"secs_audio": 3600 * hours, **times, "RTFx": 3600 * hours / times["median_s"], **counts}


CASES = {"clustering": partial(clustering, hours=1.0), "clustering_long": partial(clustering, hours=10.0)}
