"""Skipped updates: logged with the names of their utterances; too many in a row stop the run."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import TrainingError
from jaxspeech.training.non_finite_log import NonFiniteLog


def watch(skips, pattern):
    for step, skipped in enumerate(pattern, start=1):
        metrics = {"skipped": jnp.int32(skipped), "loss": jnp.float32(np.nan), "grad_norm": jnp.float32(np.inf)}
        skips.watch(step, jnp.array([step, 10 * step, -1]), metrics)


def test_too_many_in_a_row_stop_the_run_and_are_logged(tmp_path):
    path = tmp_path / "skipped.jsonl"
    skips = NonFiniteLog(path, limit=3, name=lambda index: f"{index}.wav")
    watch(skips, [1, 1, 0, 1, 1, 1])
    with pytest.raises(TrainingError, match=r"stopped at step 6: .* 3 batches in a row .*skipped.jsonl"):
        skips.look()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 4, 5, 6]
    assert lines[0] == {"step": 1, "loss": "nan", "grad_norm": "inf", "utterances": ["1.wav", "10.wav"]}


def test_a_run_without_skips_writes_nothing(tmp_path):
    skips = NonFiniteLog(tmp_path / "skipped.jsonl", limit=1, name=str)
    watch(skips, [0, 0])
    skips.look()
    skips.look()
    assert not list(tmp_path.iterdir())
