"""Predicts the longest recording that a device encodes in one pass."""

import math
from typing import Any

import jax
from jax.sharding import Mesh

from jaxspeech.builder import build
from jaxspeech.targets.inference_program import Transcriber, compile_inference
from jaxspeech.targets.target import Target
from jaxspeech.training.memory import FILLED

# Recordings that are compiled; what they need shows how memory grows with the length.
TRIALS = {"full": (300.0, 600.0), "local": (900.0, 3600.0)}
LAYERS = 2


def longest_audio(found: Transcriber, mesh: Mesh, target: Target) -> dict[str, float]:
    """Seconds of audio that fit, by the kind of attention, "full" and "local".

    Args:
      found: the recogniser.
      mesh: of one device.
      target: the device.
    """
    free = FILLED * target.hardware.memory - sum(found.held().values())
    forms = {"full": shallow(found.config) or (found.task, found.variables), "local": (found.local, found.variables)}
    longest = {}
    for name, (form, variables) in forms.items():
        if form is not None:
            needs = [working_bytes(target, form, variables, mesh, seconds) for seconds in TRIALS[name]]
            longest[name] = solve(TRIALS[name], needs, free)
    return longest


def working_bytes(target: Target, task: Any, variables: Any, mesh: Mesh, seconds: float) -> float:
    """Bytes that a pass needs besides the model: temporaries, results and the audio."""
    program = compile_inference(target, task, variables, mesh, rows=1, seconds=seconds)
    return program.temporaries + program.results + 4.0 * seconds * task.inference.sample_rate


def shallow(config: dict[str, Any]) -> tuple[Any, Any] | None:
    """The task with few layers and the shapes of its variables; None: the model has no such form.

    It compiles sooner. With full attention, a few layers need as much memory as many: the scores of one.
    """
    encoder = config["encoder"]
    if encoder["name"] != "fastconformer" or encoder.get("reduction") or encoder["num_layers"] <= LAYERS:
        return None
    task = build(config | {"encoder": encoder | {"num_layers": LAYERS}})
    return task, jax.eval_shape(task.init, jax.random.key(0))


def solve(lengths: tuple[float, float], needs: list[float], free: float) -> float:
    """The length at which b x length + c x length^2 is `free`; b and c follow from what two lengths need."""
    (short, long), (a_short, a_long) = lengths, (need / length for need, length in zip(needs, lengths, strict=True))
    square = max(0.0, (a_long - a_short) / (long - short))
    linear = a_long - square * long
    if square * free < 1e-9 * linear**2:
        return free / linear
    return (math.sqrt(linear**2 + 4 * square * free) - linear) / (2 * square)
