"""Measures diarization: the clustering of speaker embeddings, and a step of streaming Sortformer.

The embeddings are of windows of five lengths, as NeMo's general setting has them.
"""

from functools import partial
from typing import Any

import jax
import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.diarization.affinity import Scale
from jaxspeech.diarization.clustering import cluster
from jaxspeech.forms.inference import for_inference
from jaxspeech.forms.speaker_streaming import speaker_streaming
from jaxspeech.inference.speaker_stream import compile_speakers

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


# The sizes of diar_streaming_sortformer_4spk-v2: 117 million parameters.
SORTFORMER = {
    "task": "sortformer",
    "features": {"name": "mel", "num_mels": 128, "normalize": "none"},
    "encoder": {"name": "fastconformer", "num_layers": 17, "width": 512, "num_heads": 8, "xscaling": True},
    "decoder": {"name": "sortformer"},
    "scale_audio": False,
    "streaming": {},
}


def sortformer_stream(repeat: int, *, latency: float, size: int = 1) -> dict[str, Any]:
    """Runs one step of streams whose cache and queue are full, and copies the activity to the host."""
    config, variables = for_inference(SORTFORMER, jax.jit(build(SORTFORMER).init)(jax.random.key(0)))
    form = speaker_streaming(build(config), latency=latency)
    programs = compile_speakers(form, variables, size=size)
    variables = programs.prepare(variables)
    settings, state = form.settings, programs.start()
    samples = 0.1 * np.random.default_rng(0).standard_normal((size, form.window)).astype(np.float32)
    counts = np.full(size, form.window, np.int32)

    def step() -> Any:
        nonlocal state
        found, state = programs.step(variables, state, samples, counts)
        return jax.device_get(found)

    for _ in range(-(-(settings.cache + settings.queue) // settings.chunk) + 1):
        step()
    times = measure(step, repeat or 20)
    seconds = settings.chunk * form.frame_seconds
    return {
        "streams": size,
        "latency_s": form.latency_seconds,
        "chunk_s": seconds,
        "frames_of_a_step": settings.cache + settings.queue + settings.seen,
        **times,
        "cost_per_stream": times["median_s"] / size / seconds,
    }


CASES = {
    "clustering": partial(clustering, hours=1.0),
    "clustering_long": partial(clustering, hours=10.0),
    "sortformer_stream": partial(sortformer_stream, latency=1.04),
    **{
        f"sortformer_stream_{latency:g}s": partial(sortformer_stream, latency=latency) for latency in (0.32, 10.0, 30.4)
    },
}
