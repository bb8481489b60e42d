"""Results are returned by index, whatever the order of the batches, and scores are computed over whole sets."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import pytest

from jaxspeech.errors import TrainingError
from jaxspeech.training import evaluate as module
from jaxspeech.training.coverage import coverage, with_coverage
from jaxspeech.training.evaluate import evaluate
from tests.training.toy import toy_batch


class ToySet:
    def __init__(self, *batches, missing=0):
        self._batches = batches
        self.num_examples = sum(int((batch.index >= 0).sum()) for batch in batches) + missing

    def batches(self):
        return iter(self._batches)

    def fields(self, index):
        return {"truth": index}


def collect(found, batch):
    assert isinstance(found, np.ndarray) and isinstance(batch.samples, np.ndarray)
    return [float(value) + float(batch.samples[row, 0]) for row, value in enumerate(found)]


def score(results, fields):
    return {"distance": sum(abs(results[i] - fields[i]["truth"]) for i in results), "count": len(results)}


def predict(variables, batch):
    return variables["scale"] * batch.samples[:, 1]


def batches():
    first, second = toy_batch(0, rows=3), toy_batch(1, rows=3)
    first.index[:] = [4, 0, 2]
    second.index[:] = [3, -1, 1]
    return first, second


def expected(batches):
    rows = [(b.index[r], 2 * b.samples[r, 1] + b.samples[r, 0]) for b in batches for r in range(3) if b.index[r] >= 0]
    return {int(index): float(value) for index, value in sorted(rows)}


def test_every_example_once_in_order_and_no_filler():
    sets = {"dev": ToySet(*batches()), "more": ToySet(*batches(), missing=2)}
    scores, results = evaluate(jax.jit(predict), {"scale": 2.0}, sets, collect=collect, score=score)
    wanted = expected(batches())
    assert list(results["dev"]) == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(list(results["dev"].values()), list(wanted.values()), rtol=1e-6)
    np.testing.assert_allclose(scores["dev"]["distance"], sum(abs(v - i) for i, v in wanted.items()), rtol=1e-6)
    assert list(scores["dev"]) == ["distance", "count"] and scores["dev"]["count"] == 5
    assert scores["more"] == scores["dev"] | {"num_examples": 5, "num_in_set": 7}


def test_a_set_without_a_usable_example_gives_no_score():
    batch, _ = batches()
    batch.index[:] = -1
    with pytest.raises(TrainingError, match=r"^data\.eval\.dev: none of its 3 examples can be used"):
        evaluate(predict, {"scale": 2.0}, {"dev": ToySet(batch, missing=3)}, collect=collect, score=score)


def test_scores_are_shown_with_how_many_of_how_many_they_are_of():
    class Evaluation(NamedTuple):
        show: Callable = lambda scores: f"distance {scores['distance']:g}"

    show = with_coverage(Evaluation()).show
    assert show({"distance": 2.0}) == "distance 2"
    assert show({"distance": 2.0} | coverage(5, 7)) == "distance 2 (5 of 7 examples)"
    assert coverage(7, 7) == {}


def test_several_processes_gather_their_rows(monkeypatch):
    """Each process puts its half of the rows; the whole batch is collected from all of them."""
    first, _ = batches()
    whole = jax.tree.map(lambda x: np.concatenate([x, x]), first)
    whole.index[3:] = [5, 6, 7]
    monkeypatch.setattr(module.jax, "process_count", lambda: 2)
    monkeypatch.setattr(module, "gather", jax.device_get)
    _, results = evaluate(
        predict, {"scale": 2.0}, {"dev": ToySet(first)}, collect=collect, score=score, put=lambda batch: whole
    )
    assert list(results["dev"]) == [0, 2, 4, 5, 6, 7]
