"""A trace of some steps, or a line if the run ends before the trace begins."""

import jax.numpy as jnp
import pytest

from jaxspeech.training.profile import WARM_UP, Profile


@pytest.mark.parametrize("steps_run", [WARM_UP, WARM_UP + 1, WARM_UP + 5])
def test_a_trace_is_made_or_a_line_says_why_not(tmp_path, steps_run):
    lines = []
    profile = Profile(tmp_path / "profile", steps=2, report=lines.append)
    for _ in range(steps_run):
        profile.next_step()
        jnp.ones(3).block_until_ready()
    profile.close()
    traces = list(tmp_path.glob("profile/**/*.trace.json.gz"))
    assert (len(traces), len(lines)) == ((0, 1) if steps_run == WARM_UP else (1, 0))
    assert all("after 10 steps" in line for line in lines)
