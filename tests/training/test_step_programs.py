"""A step is compiled for each batch shape, before the first such batch is needed."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.step_programs import StepPrograms
from jaxspeech.training.update_rules import adamw
from jaxspeech.training.updates import Update
from tests.training.toy import ToyTask, toy_batch


@pytest.fixture
def made(request):
    """Programs of a toy's step, the step itself, and a function that makes the first state."""
    task, optimizer = ToyTask(noise=0.1), adamw(1e-2, weight_decay=0.0)
    step = make_train_step(task, (Update(optimizer),), schedule=lambda count: 1e-2)

    def start():
        return init_state(task.init(jax.random.key(0)), (optimizer,))

    programs = StepPrograms(step, jax.eval_shape(start), seed=7, ahead=True)
    request.addfinalizer(programs.close)
    return programs, step, start


def test_its_steps_are_those_of_the_jitted_function(made):
    programs, step, start = made
    batches = [toy_batch(0), toy_batch(1, rows=4), toy_batch(2)]
    ours, expected = start(), start()
    for batch in batches:
        assert programs.begin(batch) is batch
    for batch in batches:
        ours, metrics = programs(ours, batch)
        expected, wanted = step(expected, batch, 7)
        jax.tree.map(np.testing.assert_array_equal, (ours, metrics), (expected, wanted))
    assert programs.flops(batches[0]) == 2 * programs.flops(batches[1]) > 0


def test_shapes_are_compiled_side_by_side_and_once(made, monkeypatch):
    programs, _, start = made
    both, threads, compile_step = threading.Barrier(2, timeout=60), [], StepPrograms._compile

    def compile_together(self, batch):
        threads.append(threading.current_thread())
        both.wait()  # passes only if the other shape is being compiled too
        return compile_step(self, batch)

    monkeypatch.setattr(StepPrograms, "_compile", compile_together)
    for rows in (8, 4, 8, 4):
        programs.begin(toy_batch(0, rows))
    state, _ = programs(start(), toy_batch(3, 4))
    programs(state, toy_batch(3, 8))
    assert len(threads) == 2 and threading.main_thread() not in threads


def test_what_cannot_be_compiled_is_an_error_of_its_step(made):
    programs, _, start = made
    wrong = toy_batch(0)._replace(samples=jnp.zeros((8, 5)))
    programs.begin(wrong)
    with pytest.raises(TypeError):
        programs(start(), wrong)


def test_without_ahead_the_step_compiles(made):
    _, step, start = made
    programs = StepPrograms(step, jax.eval_shape(start), seed=7, ahead=False)
    programs.begin(toy_batch(0))
    assert not programs._programs
    assert int(programs(start(), toy_batch(0))[0].step) == 1
    programs.close()
