"""Kept programs of a training step: the same bits without a trace, and never a damaged or a different one."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

from jaxspeech.nn.dropout import Dropout
from jaxspeech.runtime import executables
from jaxspeech.training.kept_step import KeptStep
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import Update
from tests.training.toy import ToyTask, toy_batch

MODEL = Dropout(0.0)  # any module of the package


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(executables, "own_folder", lambda: tmp_path)
    return tmp_path / "programs"


def run(traced: list[int], *, steps: int = 3, model: Any = MODEL, rate: float = 0.1) -> tuple[bytes, float, list[str]]:
    """Trains in a new process's step; `traced` gets an entry for each trace."""

    class Traced(ToyTask):
        def rows(self, variables: Any, batch: Any, key: Any) -> Any:
            traced.append(1)
            return super().rows(variables, batch, key)

    task = Traced(noise=0.5)
    optimizer = optax.adam(rate)
    state = init_state(task.init(jax.random.key(0)), (optimizer,))
    step = make_train_step(task, (Update(optimizer),), schedule=lambda count: 0.1)
    kept, flops, metrics = KeptStep(step, model, {"rate": rate}), 0.0, {}
    for i in range(steps):
        batch = jax.device_put(toy_batch(i))
        flops = kept.prepare(state, batch, 3) if i == 0 else flops
        state, metrics = kept(state, batch, 3)
    leaves = jax.tree.leaves((state, metrics))
    return b"".join(np.asarray(x).tobytes() for x in leaves), flops, sorted(metrics)


def test_a_second_run_traces_nothing_and_has_the_same_bits(folder: Path) -> None:
    first: list[int] = []
    second: list[int] = []
    third: list[int] = []
    assert run(first) == run(second)
    assert first and not second
    [file] = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-9])  # cut
    assert run(second) == run(third)
    assert second and not third  # replaced


def test_other_settings_and_other_batches_are_other_programs(folder: Path) -> None:
    whole = run([])
    assert run([], rate=0.2)[0] != whole[0]
    assert len(list(folder.iterdir())) == 2


class Foreign(Dropout):
    """A module of a different package."""


def test_steps_of_modules_of_other_packages_are_not_kept(folder: Path) -> None:
    traced: list[int] = []
    assert run(traced) == run([], model=Foreign(0.0))
    again: list[int] = []
    run(again, model=Foreign(0.0))
    assert again and len(list(folder.iterdir())) == 1
