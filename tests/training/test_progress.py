"""Sums, means and the lines for a log file."""

import time

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
        progress.starting(toy_batch(i), flops=lambda: 1e9)
        progress.finished(metrics(loss, skipped=int(i == 1)))
        if i == 1:
            first = progress.summary()
    second = progress.summary()
    progress.close()
    assert (first["loss"], first["examples"], first["skipped"]) == (3.0, 16, 1)
    assert (second["loss"], second["learning_rate"]) == (3.0, pytest.approx(0.1))
    before = {"examples": 100, "infeasible": 0, "skipped": 2, "audio_seconds": 0.5}
    resumed = Progress(step=3, steps=10, totals=before)
    resumed.finished(metrics(1.0))  # is in the totals before the next summary
    assert resumed.totals == {"examples": 108, "infeasible": 1, "skipped": 2, "audio_seconds": 16.5}
    resumed.close()
    assert progress.totals == {"examples": 24, "infeasible": 3, "skipped": 1, "audio_seconds": 48}
    # Not a terminal: one line about the wait, no bar.
    out = capsys.readouterr()
    assert out.out.count("\n") == 1 and out.out.startswith("Compiling") and out.err == ""


def test_speed_counts_the_work_done_and_the_wait_for_input():
    progress, batch = Progress(step=0, steps=10, peak_flops=1e12), toy_batch(0)

    def slowly():
        for _ in range(3):
            time.sleep(0.05)
            yield batch

    counted = []
    for batch in progress.timed(slowly()):
        progress.starting(batch, flops=lambda: counted.append(1) or 1e9)
        time.sleep(0.05)
        progress.finished(metrics(1.0))
    summary = progress.summary()
    progress.close()
    assert counted == [1]  # called once for each shape
    seconds = 3e9 / summary["flops_per_second"]
    assert 0.3 <= seconds < 3 and summary["mfu"] == pytest.approx(summary["flops_per_second"] / 1e12)
    assert 0.15 / seconds <= summary["input_share"] <= (seconds - 0.15) / seconds
    assert summary["audio_seconds_per_second"] == pytest.approx(48 / seconds, rel=0.05)
    assert "FLOP/s" in progress.speed and "MFU" in progress.speed and "waiting for input" in progress.speed


def test_durations_are_readable():
    assert [in_minutes(s) for s in (41.6, 425, 12000)] == ["42 s", "7 min 5 s", "3 h 20 min"]


def test_the_loss_is_that_of_the_steps_that_learned():
    progress = Progress(step=0, steps=10)
    for loss, infeasible in ((0.0, 8), (5.0, 1), (0.0, 8)):
        progress.finished(metrics(loss) | {"infeasible": jnp.asarray(infeasible)})
    assert progress.summary()["loss"] == 5.0 and progress.loss == "5.000"
    progress.finished(metrics(0.0) | {"infeasible": jnp.asarray(8)})
    progress.finished(metrics(float("nan"), skipped=1))
    summary = progress.summary()
    assert progress.loss == "-" and "loss" not in summary and summary["examples"] == 16
    progress.close()
