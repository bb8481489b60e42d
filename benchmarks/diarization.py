"""Measures the clustering of speaker embeddings, of windows of five lengths as in NeMo's general setting; Sortformer.

The time of Sortformer includes the copy of the probabilities to the host.
"""

from functools import partial
from typing import Any

import jax
import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.models import ENCODERS, noise_batch, num_parameters
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.diarization.affinity import Scale
from jaxspeech.diarization.clustering import cluster
from jaxspeech.forms.inference import for_inference

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


# The sizes of diar_sortformer_4spk-v1.
SORTFORMER = {
    "task": "sortformer",
    "features": {"name": "mel"},
    "encoder": {"name": "fastconformer", "xscaling": True, **ENCODERS["115m"]},
    "decoder": {"name": "sortformer"},
}


def sortformer(repeat: int, *, seconds: float) -> dict[str, Any]:
    """Finds the activity of four speakers in one recording, in one pass."""
    config = SORTFORMER
    config, variables = for_inference(config, jax.jit(build(config).init)(jax.random.key(0)))
    activity, batch = jax.jit(build(config).inference.activity), noise_batch(1, seconds)
    compiled = activity.lower(variables, batch.samples, batch.num_samples).compile()
    times = measure(lambda: jax.device_get(compiled(variables, batch.samples, batch.num_samples)), repeat or 5)
    planned: Any = compiled.memory_analysis()
    temporaries = planned.temp_size_in_bytes / 2**20
    sizes = {"params": num_parameters(variables), "secs_audio": seconds, "temporaries_mib": temporaries}
    return {**sizes, **times, "RTFx": seconds / times["median_s"]}


CASES = {
    "clustering": partial(clustering, hours=1.0),
    "clustering_long": partial(clustering, hours=10.0),
    "sortformer": partial(sortformer, seconds=90.0),
    "sortformer_10min": partial(sortformer, seconds=600.0),
}
