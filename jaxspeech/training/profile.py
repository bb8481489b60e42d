"""A JAX trace of some steps: where the time goes, on the device and on the host.

tensorboard --logdir=runs/x            with the plugin of xprof: python -m pip install xprof
https://ui.perfetto.dev                opens the .trace.json.gz in the folder
"""

from collections.abc import Callable
from pathlib import Path

import jax

# Steps before the trace begins: they compile, and fill the queues.
WARM_UP = 10


class Profile:
    """`next_step()` before each step; `steps` of them are traced to `folder`, or `report` is told that none was."""

    def __init__(self, folder: Path, *, steps: int, report: Callable[[str], None] = print):
        self._report = report
        self._folder = folder
        self._first = WARM_UP
        self._last = WARM_UP + steps
        self._steps = steps
        self._seen = 0

    def next_step(self) -> None:
        if self._steps and self._seen == self._first:
            jax.profiler.start_trace(str(self._folder))
        elif self._steps and self._seen == self._last:
            self.close()
        self._seen += 1

    def close(self) -> None:
        """Ends the trace, if one is being made."""
        if self._steps and self._first < self._seen:
            jax.profiler.stop_trace()
        elif self._steps:
            self._report(f"no step was traced: a trace begins after {WARM_UP} steps, and the run ended before")
        self._steps = 0
