"""Measures vocoders of the published sizes with random weights: 10 s of audio from mel frames, and a training step.

`hifigan`, `hifigan_v2` and `train_hifigan` are the cases of NeMo's benchmark of these names.
"""

from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.models import num_parameters
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.configs import hifigan, vocos
from jaxspeech.forms.inference import for_inference
from jaxspeech.tasks.waveforms import Waveforms
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import build_updates

SECONDS = 10.0
BATCH, SEGMENT = 8, 8192
OPTIMIZER = {"name": "adamw", "learning_rate": 2e-4, "beta1": 0.8, "beta2": 0.99, "weight_decay": 0.01}


def vocode(repeat: int, *, model: dict[str, Any]) -> dict[str, Any]:
    """Measures a generator on mel frames of one recording."""
    task = build(model | {"discriminators": {"name": "none"}})
    config, variables = for_inference(model, jax.jit(task.init)(jax.random.key(0)))
    inference = build(config | {"discriminators": {"name": "none"}}).inference
    frames = int(SECONDS * inference.sample_rate) // inference.hop
    bands = model["features"]["num_mels"]
    mel = np.random.default_rng(0).standard_normal((1, frames, bands)).astype(np.float32) - 5
    run = jax.jit(inference.vocode)
    seconds = frames * inference.hop / inference.sample_rate
    times = measure(lambda: run(variables, mel, np.array([frames])), repeat or 5, warmup=2)
    sizes = {"params_generator": num_parameters(variables), "frames": frames, "secs_audio": seconds}
    return {**sizes, **times, "RTFx": seconds / times["median_s"]}


def train_vocoder(repeat: int, *, model: dict[str, Any], segment: int = SEGMENT) -> dict[str, Any]:
    """Measures a training step: the discriminators' update, then the generator's."""
    task = build(model)
    updates, schedule = build_updates(OPTIMIZER, task.phases, steps=1000)
    state = init_state(jax.jit(task.init)(jax.random.key(0)), [update.optimizer for update in updates])
    parameters = num_parameters(state.variables)
    step = make_train_step(task, updates, schedule=schedule)
    samples = 0.1 * np.random.default_rng(0).standard_normal((BATCH, segment)).astype(np.float32)
    batch = Waveforms(np.arange(BATCH, dtype=np.int32), samples, np.full(BATCH, segment, np.int32))

    def run() -> Any:
        nonlocal state
        state, metrics = step(state, batch, 0)
        return metrics

    times = measure(run, repeat or 3, warmup=1)
    audio = BATCH * segment / task.inference.sample_rate
    return {
        "params": parameters,
        "batch": BATCH,
        "segment": segment,
        **times,
        "audio_s_per_s": audio / times["median_s"],
    }


CASES = {
    "hifigan": partial(vocode, model=hifigan.model("v1").to_dict()),
    "hifigan_v2": partial(vocode, model=hifigan.model("v2").to_dict()),
    "vocos": partial(vocode, model=vocos.model().to_dict()),
    "train_hifigan": partial(train_vocoder, model=hifigan.model("v1").to_dict()),
    "train_vocos": partial(train_vocoder, model=vocos.model().to_dict()),
}
