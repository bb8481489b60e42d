"""The task of language models of text: its loss, what it does not depend on, and its training on several devices."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.search.generate import generate
from tests.decoders import causal_oracle
from tests.quick_compile import QUICK_COMPILE
from tests.tasks.causal_on_devices import DECODER, make_batch

MODEL = {"task": "causal_lm", "decoder": DECODER}
SHARDINGS = [
    {"mesh": {"data": 2, "model": 4}, "sharding": "fsdp_tensor", "remat": True},
    {"sharding": "fsdp"},
    {"mesh": {"model": 4}, "sharding": "tensor", "remat": True},
    {},
]


@pytest.fixture(scope="module")
def made():
    task = build(MODEL)
    variables = jax.jit(task.init)(jax.random.key(0))
    return task, variables, jax.jit(task.predict), jax.jit(partial(task.phases[0].loss, key=jax.random.key(1)))


def test_loss_is_that_of_the_answers(made):
    task, variables, predict, loss = made
    batch, params = make_batch(), jax.device_get(variables["params"]["decoder"])
    decoder = task.model.decoder
    found, (rows, _) = predict(variables, batch), loss(variables, batch)
    np.testing.assert_allclose(found.losses, rows.losses, rtol=1e-6)
    for b in range(2):
        n = batch.num_ids[b]
        x = params["embedding"]["table"][batch.ids[b, :n]]
        logits = causal_oracle.logits(decoder, params, causal_oracle.states(decoder, params, x))[:-1]
        chosen = np.log(np.exp(logits).sum(-1)) - logits[np.arange(n - 1), batch.ids[b, 1:n]]
        wanted, targets = batch.answers[b, 1:n], batch.ids[b, 1:n]
        np.testing.assert_allclose(rows.losses[b], (chosen * wanted).sum(), rtol=1e-5)
        assert rows.weights[b] == found.targets[b] == wanted.sum()
        assert found.right[b] == (wanted & (logits.argmax(-1) == targets)).sum()


def test_padding_and_other_rows_change_nothing(made):
    _, variables, predict, loss = made
    batch = make_batch()
    real = np.arange(batch.ids.shape[1]) < batch.num_ids[:, None]
    other = batch._replace(ids=np.where(real, batch.ids, -7), answers=np.where(real, batch.answers, True))
    for a, b in zip(predict(variables, batch), predict(variables, other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    one = jax.tree.map(lambda x: np.repeat(x[2:3], 8, axis=0), batch)
    np.testing.assert_allclose(loss(variables, one)[0].losses[0], loss(variables, batch)[0].losses[2], rtol=1e-5)


def test_rows_without_targets_have_no_gradients(made):
    task, variables, _, _ = made
    batch = make_batch()._replace(answers=np.zeros((8, 9), bool), num_ids=np.array([0, 1, 2, 3, 4, 5, 6, 9], np.int32))

    @jax.jit
    def run(params):
        rows, _ = task.phases[0].loss({"params": params}, batch, jax.random.key(0))
        return rows.losses.sum(), rows

    gradients, rows = jax.grad(run, has_aux=True)(variables["params"])
    for x in jax.tree.leaves((gradients, rows)):
        np.testing.assert_array_equal(x, 0)


def test_continues_prompts_as_by_full_passes(made):
    task, variables, _, _ = made
    batch, (start, step) = make_batch(), (task.inference.start, task.inference.step)
    prompt = batch._replace(num_prompt=batch.num_ids)

    @jax.jit
    def run(variables):
        logits, state = start(variables, prompt, 3)
        return generate(partial(step, variables), logits, state, end_ids=(), most_tokens=3)

    ids = np.asarray(run(variables).ids)
    table, decoder = variables["params"]["decoder"]["embedding"]["table"], task.model.decoder
    for b in range(2):
        text = np.concatenate([batch.ids[b, : batch.num_ids[b]], ids[b]])
        states = causal_oracle.states(decoder, variables["params"]["decoder"], np.asarray(table)[text])
        logits = causal_oracle.logits(decoder, variables["params"]["decoder"], states)
        np.testing.assert_array_equal(logits.argmax(-1)[-4:-1], ids[b])


@pytest.mark.slow
def test_eight_devices_train_as_one():
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count=8 {QUICK_COMPILE}",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, "-m", "tests.tasks.causal_on_devices", *map(json.dumps, SHARDINGS)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=900)
    assert done.stdout.strip() == "equal", done.stderr
