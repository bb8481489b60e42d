"""Computes the loss of one step of every task on one device, and on all devices in two micro-batches.

    python -m tests.contract.losses_on_devices TONES WORKDIR

Prints a JSON line {task: {"one": loss, "all": loss}}.
"""

import json
import sys
from pathlib import Path
from typing import Any

import jax

from jaxspeech import jobs
from jaxspeech.jobs.job import Placement
from jaxspeech.train import load
from jaxspeech.training.sharding import make_mesh, make_rules, put_batch, state_shardings
from jaxspeech.training.state import TrainState, init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import build_updates
from tests.contract.cases import NAMES, recipe, toys_in_the_tables

# How the step is computed: devices (None: all), and parts of a batch.
WAYS = {"one": (1, 1), "all": (None, 2)}


def losses(name: str, tones: Path, workdir: Path) -> dict[str, float]:
    settings = recipe(name, tones).to_dict()
    job = jobs.find_job(settings["model"])
    place = Placement(data_shards=jax.device_count(), accumulate=2)
    settings["data"]["batch_size"] = 2 * jax.device_count()
    _, _, task, data = load(job, settings, workdir, place, source=None, resuming=False)
    batch = next(data.train.batches())
    updates, schedule = build_updates(settings["optimizer"], task.phases, steps=1)
    key, found = jax.random.key(0), {}

    def init(key: Any) -> TrainState:
        return init_state(task.init(key), [update.optimizer for update in updates])

    for way, (devices, accumulate) in WAYS.items():
        mesh = make_mesh(devices=jax.devices()[:devices])
        shardings = state_shardings(jax.eval_shape(init, key), mesh, make_rules("fsdp"))
        state = jax.jit(init, out_shardings=shardings)(key)
        step = make_train_step(task, updates, schedule=schedule, accumulate=accumulate, shardings=shardings)
        _, metrics = step(state, put_batch(batch, mesh), 0)
        found[way] = float(metrics["loss"])
    return found


if __name__ == "__main__":
    with toys_in_the_tables():
        tones, workdir = map(Path, sys.argv[1:])
        # The hybrid has the heads of a transducer and of a CTC model.
        names = [name for name in NAMES if name not in ("ctc", "transducer")]
        print(json.dumps({name: losses(name, tones, workdir / name) for name in names}))
