"""Records a JAX profiler trace of some steps, to see where the time goes on the device and on the host.

tensorboard --logdir=runs/x            with the plugin of xprof: python -m pip install xprof
https://ui.perfetto.dev                opens the .trace.json.gz in the folder
"""

from collections.abc import Callable
from pathlib import Path

import jax

# Steps before the trace begins, which compile and fill the queues.
WARM_UP = 10


class Profile:
    """Traces `steps` steps to `folder`: call `next_step()` before each. If none was traced, `report` gets a line."""

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
        """Ends the trace if one is running."""
        if self._steps and self._first < self._seen:
            jax.profiler.stop_trace()
        elif self._steps:
            self._report(f"no step was traced: a trace begins after {WARM_UP} steps, and the run ended before")
        self._steps = 0
