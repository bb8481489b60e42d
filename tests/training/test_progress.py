"""Sums, means and what a log file gets to read."""

import jax.numpy as jnp
import pytest

from jaxspeech.training.progress import Progress, in_minutes
from tests.training.toy import toy_batch


def metrics(loss, skipped=0):
    values = {"loss": loss, "grad_norm": 1.0, "learning_rate": 0.1, "examples": 8, "infeasible": 1}
    return {name: jnp.asarray(v) for name, v in values.items()} | {"skipped": skipped, "audio_seconds": 16.0}


def test_losses_are_averaged_and_counts_summed(capsys):
    progress = Progress(step=0, steps=10)
    assert progress.summary() == {}
    for i, loss in enumerate([3.0, float("nan"), 3.0]):
        progress.starting(toy_batch(i), sample_rate=2)
        progress.finished(metrics(loss, skipped=int(i == 1)))
        if i == 1:
            first = progress.summary()
    second = progress.summary()
    progress.close()
    assert (first["loss"], first["examples"], first["skipped"]) == (3.0, 16, 1)
    assert (second["loss"], second["learning_rate"]) == (3.0, pytest.approx(0.1))
    assert progress.totals == {"examples": 24, "infeasible": 3, "skipped": 1, "audio_seconds": 48}
    # Not a terminal: one word about the wait, no bar.
    out = capsys.readouterr()
    assert out.out.count("\n") == 1 and out.out.startswith("Compiling") and out.err == ""


def test_minutes_read_as_people_say_them():
    assert [in_minutes(s) for s in (41.6, 425, 12000)] == ["42 s", "7 min 5 s", "3 h 20 min"]
