"""A run that learns nothing ends with an error, whatever the reason."""

import pytest

from jaxspeech.errors import TrainingError
from jaxspeech.training.empty_steps import EmptySteps, check_learned
from jaxspeech.training.non_finite_log import NonFiniteLog


def metrics(examples, infeasible=0, skipped=0):
    return {"examples": examples, "infeasible": infeasible, "skipped": skipped, "loss": 0.0, "grad_norm": 0.0}


def test_a_whole_epoch_without_an_example_ends_the_run():
    steps = EmptySteps(3)
    for step, found in enumerate([metrics(0), metrics(4, 4), metrics(4, 3), metrics(0), metrics(0)], start=1):
        steps.see(step, found)
    with pytest.raises(TrainingError, match="stopped at step 6: the last 3 steps, a whole epoch, had no example"):
        steps.see(6, metrics(4, 4))


def test_the_log_of_a_run_looks_at_empty_steps_too(tmp_path):
    log = NonFiniteLog(tmp_path / "skipped.jsonl", limit=9, name=str, epoch=1)
    log.watch(1, [0], metrics(2))
    log.watch(2, [0], metrics(2, 2))
    with pytest.raises(TrainingError, match="stopped at step 2"):
        log.look()


@pytest.mark.parametrize(
    ("totals", "message"),
    [
        ({"examples": 0, "infeasible": 0, "skipped": 0}, "in 4 steps there was no example"),
        ({"examples": 8, "infeasible": 8, "skipped": 0}, "8 times one that is too long"),
        ({"examples": 8, "infeasible": 0, "skipped": 4}, "the gradients of all 4 steps were not finite"),
    ],
)
def test_a_run_that_learned_nothing_is_not_done(totals, message):
    with pytest.raises(TrainingError, match=message):
        check_learned(totals, 4)
    check_learned({}, 4)
    check_learned(totals, 0)  # a recipe of no steps saves the model that it starts from


def test_a_run_that_learned_something_is_done():
    check_learned({"examples": 8, "infeasible": 7, "skipped": 3}, 4)
