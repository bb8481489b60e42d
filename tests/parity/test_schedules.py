"""Compares every learning-rate schedule with NeMo's at each of 320 steps (300 are planned)."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.training.schedules import build_schedule

OURS = {
    "NoamAnnealing": "noam",
    "CosineAnnealing": "cosine",
    "CosineAnnealing_const": "cosine",
    "InverseSquareRootAnnealing": "inverse_sqrt",
    "PolynomialHoldDecayAnnealing": "polynomial",
    "WarmupAnnealing": "linear",
    "SquareRootAnnealing": "sqrt",
}


@pytest.mark.parametrize("theirs", OURS)
def test_rates_equal_nemos(refs, theirs):
    settings = json.loads((refs / "schedules.json").read_text())[theirs]
    names = {"d_model": "width", "min_lr": "min_learning_rate"}
    config = {names.get(key, key): value for key, value in settings.items() if key not in ("lr", "max_steps")}
    schedule = build_schedule(
        {"name": OURS[theirs], **config}, learning_rate=settings["lr"], steps=settings["max_steps"]
    )
    expected = np.load(refs / "schedules.npz")[f"f64.{theirs}"]
    rates = jax.jit(jax.vmap(schedule))(jnp.arange(len(expected)))
    assert rates.dtype == jnp.float32
    np.testing.assert_allclose(rates, expected, rtol=2e-6, atol=1e-12)


def test_rates_equal_those_of_nemos_training_run(refs):
    run = json.loads((refs / "train_ctc.json").read_text())
    sched = run["sched"]
    schedule = build_schedule(
        {"name": "cosine", "warmup_steps": sched["warmup_steps"], "min_learning_rate": sched["min_lr"]},
        learning_rate=run["optim"]["lr"],
        steps=sched["max_steps"],
    )
    np.testing.assert_allclose([schedule(i) for i in range(20)], run["lr_seq"], rtol=1e-6)
