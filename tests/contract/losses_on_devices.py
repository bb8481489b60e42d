"""Computes every task's loss of a batch on one device, and by a training step on all devices in two micro-batches.

Prints a JSON line {task: {"one": loss, "all": loss}}.
"""

import json
from pathlib import Path

import jax

from jaxspeech import jobs
from jaxspeech.jobs.job import Placement
from jaxspeech.run_start import load
from jaxspeech.training.sharding import make_mesh, make_rules, put_batch, state_shardings
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import build_updates
from tests.contract.cases import NAMES, recipe, toys_in_the_tables
from tests.interop.random_model import task_variables


def losses(name: str, tones: Path, workdir: Path) -> dict[str, float]:
    settings = recipe(name, tones).to_dict()
    job = jobs.find_job(settings["model"])
    place = Placement(data_shards=jax.device_count(), accumulate=2)
    settings["data"]["batch_size"] = 2 * jax.device_count()
    # What the loss does not depend on, and compiles fastest.
    settings["optimizer"] = {"name": "sgd", "learning_rate": 1e-2, "momentum": 0.0}
    _, _, task, data = load(job, settings, workdir, place, source=None, resuming=False)
    batch = next(data.train.batches())
    updates, schedule = build_updates(settings["optimizer"], task.phases, steps=1)
    key = jax.random.key(0)
    variables = task_variables(task)
    state = init_state(variables, [update.optimizer for update in updates])
    mesh = make_mesh(devices=jax.devices())
    shardings = state_shardings(state, mesh, make_rules("fsdp"))
    step = make_train_step(task, updates, schedule=schedule, accumulate=2, shardings=shardings)
    _, metrics = step(jax.device_put(state, shardings), put_batch(batch, mesh), 0)
    # No update comes before the first phase.
    phase = task.phases[0]
    name = "loss" if len(task.phases) == 1 else f"{phase.name}/loss"
    rows, _ = jax.jit(phase.loss)(variables, batch, key)
    return {"one": float(rows.losses.mean()), "all": float(metrics[name])}


def main(tones: str, workdir: str) -> None:
    with toys_in_the_tables():
        # The hybrid has the heads of a transducer and of a CTC model, the speaker's model classes of recordings.
        names = [
            name
            for name in NAMES
            if name.startswith("toy_")
            or name in ("attention", "hybrid", "hybrid_text", "language_model", "sortformer", "speaker")
        ]
        print(json.dumps({name: losses(name, Path(tones), Path(workdir) / name) for name in names}))
