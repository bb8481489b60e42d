"""Measures models of enhancement, with random weights and the sizes of NeMo's examples.

The times include the copy of the results to the host.
"""

from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.models import SAMPLE_RATE, num_parameters
from benchmarks.speakers import speed
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.configs import enhancement_generative, enhancement_mask, enhancement_predictive
from jaxspeech.forms.inference import for_inference
from jaxspeech.tasks.enhancement import EnhancementRows
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import adamw
from jaxspeech.training.updates import Update


def noise_rows(batch: int, channels: int, seconds: float) -> EnhancementRows:
    """Makes a batch of white noise."""
    rng, size = np.random.default_rng(0), int(seconds * SAMPLE_RATE)
    samples, targets = (0.1 * rng.standard_normal((batch, c, size)).astype(np.float32) for c in (channels, 1))
    rows = EnhancementRows(np.arange(batch, dtype=np.int32), samples, np.full(batch, size, np.int32), targets)
    return jax.device_put(rows)


def mask_model(kind: str) -> dict[str, Any]:
    """Makes the configuration of one of the models that estimate masks."""
    return enhancement_mask.model(kind).to_dict()


def spectrum_model(kind: str) -> dict[str, Any]:
    """Makes the configuration of one of the models that estimate spectra."""
    return enhancement_predictive.model(kind).to_dict()


def generative_model(kind: str) -> dict[str, Any]:
    """Makes the configuration of one of the generative models, with 5 steps."""
    config = enhancement_generative.model(kind).to_dict()
    return config | {"sampler": config["sampler"] | {"num_steps": 5}}


def enhance(repeat: int, *, config: dict[str, Any], batch: int, channels: int, seconds: float) -> dict[str, Any]:
    """Enhances one batch."""
    variables = jax.jit(build(config).init)(jax.random.key(0))
    config, variables = for_inference(config, variables)
    rows = noise_rows(batch, channels, seconds)
    compiled = jax.jit(build(config).inference.enhance)
    times = measure(lambda: jax.device_get(compiled(variables, rows.samples, rows.num_samples)), repeat or 3)
    found = {"params": num_parameters(variables), "batch": batch, "channels": channels}
    return {**found, **speed(times, batch * seconds)}


def train(repeat: int, *, config: dict[str, Any], batch: int, channels: int, seconds: float) -> dict[str, Any]:
    """Trains with one batch, as it is."""
    task, optimizer = build(config), adamw(1e-4, weight_decay=0.0)
    state = init_state(jax.jit(task.init)(jax.random.key(0)), (optimizer,))
    parameters = num_parameters(state.variables)
    step = make_train_step(task, (Update(optimizer),), schedule=lambda count: 1e-4)
    rows = noise_rows(batch, channels, seconds)

    def run() -> Any:
        nonlocal state
        state, metrics = step(state, rows, 0)
        return metrics

    times = measure(run, repeat or 3, warmup=2)
    return {"params": parameters, "batch": batch, "channels": channels, **speed(times, batch * seconds)}


SHORT: dict[str, Any] = {"batch": 1, "channels": 1, "seconds": 4.0}
MASK: dict[str, Any] = {"config": mask_model("single"), "batch": 8, "channels": 1, "seconds": 4.0}
MVDR: dict[str, Any] = {"config": mask_model("beamformer"), "batch": 1, "channels": 6, "seconds": 10.0}
CASES = {
    "mask": partial(enhance, **MASK),
    "mask_train": partial(train, **MASK),
    "mvdr6": partial(enhance, **MVDR),
    "mvdr6_train": partial(train, **MVDR),
    "flex6": partial(enhance, **MVDR | {"config": mask_model("flexible")}),
    "ncsnpp": partial(enhance, config=spectrum_model("ncsnpp"), **SHORT),
    "ncsnpp_train": partial(train, config=spectrum_model("ncsnpp"), **SHORT),
    "conformer_unet": partial(enhance, config=spectrum_model("conformer_unet"), **SHORT),
    "sb5": partial(enhance, config=generative_model("bridge"), **SHORT),
    "sb_train": partial(train, config=generative_model("bridge"), **SHORT),
    "score5": partial(enhance, config=generative_model("score"), **SHORT),
    "flow5": partial(enhance, config=generative_model("flow"), **SHORT),
    "flow_train": partial(train, config=generative_model("flow"), **SHORT),
}
