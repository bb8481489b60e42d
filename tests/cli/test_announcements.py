"""Slow compilations are announced on a terminal, and nowhere else."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxspeech.cli import announcements
from jaxspeech.runtime import kept_function


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("slow", [True, False])
def test_only_slow_ones_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool, slow: bool
) -> None:
    monkeypatch.setattr(announcements, "is_terminal", lambda stream: terminal)
    monkeypatch.setattr(kept_function, "SLOW_SECONDS", 0.05 if slow else 60.0)

    def function(x: Any) -> Any:
        time.sleep(0.3 if slow else 0.0)  # while it is traced
        return x + 1

    with announcements.compilation_announced():
        program = kept_function.compile_kept(
            function, (jnp.zeros(2),), name="f", config={}, options={}, what="the test's function"
        )
    assert (program(jnp.zeros(2)) == 1).all() and isinstance(program, jax.stages.Compiled)
    said = "compiling the test's function\n" if terminal and slow else ""
    assert capsys.readouterr().err == said
