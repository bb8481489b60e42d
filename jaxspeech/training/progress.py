"""Shows the progress of a run: a bar with loss, score, examples/s and time left, and lines for a log file."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxspeech.runtime.streams import is_terminal
from jaxspeech.training.flops import in_flops
from jaxspeech.types import B, BatchShape

NO_TOTALS: Mapping[str, int | float] = MappingProxyType({})


class Progress:
    """Collects the steps' metrics without waiting for the device, and shows them.

    Attributes:
      speed, loss: of the steps up to the last summary, in words; the loss is "-" where nothing was learned.
    """

    SUMMED = ("examples", "infeasible", "skipped", "audio_seconds")

    def __init__(
        self,
        *,
        step: int,
        steps: int,
        batch_shapes: Sequence[BatchShape] = (),
        totals: Mapping[str, int | float] = NO_TOTALS,
        peak_flops: float | None = None,
    ):
        """Args:
        step, steps: the number of steps done, and in the whole run.
        batch_shapes: of the batches to come, to show them by readable names.
        totals: sums over the steps done.
        peak_flops: of all devices together, if known (flops.py).
        """
        self._shape_names = {_dimensions(shape.arrays): str(shape) for shape in batch_shapes}
        on_terminal = is_terminal(sys.stderr)
        self._bar = tqdm(total=steps, initial=step, unit="step", dynamic_ncols=True, disable=not on_terminal)
        self._shown: dict[str, str] = {}
        self._waiting: list[dict[str, Any]] = []
        self._flops: dict[Any, float] = {}  # of a step, by the batch's shape
        self._done_flops = self._waited = 0.0
        self._peak_flops = peak_flops
        self._since = time.perf_counter()
        self.speed, self.loss = "", "-"
        self._totals = dict.fromkeys(self.SUMMED, 0.0) | dict(totals)

    def timed(self, batches: Iterator[B]) -> Iterator[B]:
        """Yields the same batches, and measures the time spent waiting for them."""
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            self._waited += time.perf_counter() - asked
            if batch is None:
                return
            yield batch

    def starting(self, batch: Any, *, flops: Callable[[], float]) -> None:
        """Call before a step. A new batch shape is announced, since it is compiled first, and `flops()` is called."""
        shape = _dimensions(batch)
        if shape not in self._flops:
            if not self._flops and self._bar.disable:
                self.line("Compiling the training step (again for each new batch shape) ...")
            self._bar.set_postfix_str(f"compiling for {self._shape_names.get(shape, 'a new shape')} ...")
            self._flops[shape] = flops()
        self._done_flops += self._flops[shape]

    def finished(self, metrics: dict[str, Any]) -> None:
        """Call after a step was started; waits for the metrics of the previous step, not for its own."""
        if self._waiting:
            jax.block_until_ready(self._waiting[-1])  # so that batches do not pile up on the device
        self._waiting.append(metrics)
        self._bar.set_postfix(self._shown, refresh=False)  # in place of "compiling"
        self._bar.update()

    def summary(self) -> dict[str, float]:
        """Waits for the steps since the last summary; shows and returns sums, and means over those that learned.

        A step that was skipped, or had no example to learn from, has no loss. If none learned, there are no means.
        """
        if not self._waiting:
            return {}
        waiting, self._waiting = jax.device_get(self._waiting), []
        columns = {name: np.array([metrics[name] for metrics in waiting], np.float64) for name in waiting[0]}
        done = (columns["skipped"] == 0) & (columns["examples"] > columns["infeasible"])
        summary = {n: float(x.sum()) for n, x in columns.items() if n in self.SUMMED}
        if done.any():
            summary |= {n: float(x[done].mean()) for n, x in columns.items() if n not in self.SUMMED}
        self.loss = f"{summary['loss']:.3f}" if done.any() else "-"
        for name in self.SUMMED:
            self._totals[name] += summary[name]
        elapsed = time.perf_counter() - self._since
        summary["examples_per_second"] = summary["examples"] / elapsed
        summary["audio_seconds_per_second"] = summary["audio_seconds"] / elapsed
        summary["flops_per_second"] = self._done_flops / elapsed
        summary["input_share"] = self._waited / elapsed
        computed = in_flops(summary["flops_per_second"])
        if self._peak_flops:
            summary["mfu"] = summary["flops_per_second"] / self._peak_flops
            computed += f" ({summary['mfu']:.1%} MFU)"
        waited = f"{summary['input_share']:.0%} of the time waiting for input"
        self.speed = f"{summary['examples_per_second']:.0f} examples/s, {computed}, {waited}"
        self.show(
            loss=self.loss,
            rate=f"{summary['examples_per_second']:.0f}/s",
            **({"MFU": f"{summary['mfu']:.0%}"} if self._peak_flops else {}),
            input=f"{summary['input_share']:.0%}",
        )
        self.restart_clock()
        return summary

    @property
    def totals(self) -> dict[str, float]:
        """Sums over all steps so far of what can be summed: examples, infeasible, skipped, audio_seconds."""
        waiting = jax.device_get([[metrics[name] for name in self.SUMMED] for metrics in self._waiting])
        return {n: float(sum(x, self._totals[n])) for n, *x in zip(self.SUMMED, *waiting, strict=True)}

    def show(self, **values: str) -> None:
        """Adds values to the bar."""
        self._shown |= values
        self._bar.set_postfix(self._shown)

    def line(self, words: str) -> None:
        """Prints a line above the bar."""
        self._bar.write(words, file=sys.stdout)
        sys.stdout.flush()

    def restart_clock(self) -> None:
        """Call after work between steps (an evaluation) that must not count in examples/s."""
        self._since = time.perf_counter()
        self._done_flops = self._waited = 0.0

    def close(self) -> None:
        self._bar.close()


def _dimensions(batch: Any) -> tuple[tuple[int, ...], ...]:
    """The shapes of a batch's arrays."""
    return tuple(leaf.shape for leaf in jax.tree.leaves(batch))


def in_minutes(seconds: int | float) -> str:
    """Formats a duration: "42 s", "7 min 5 s", "3 h 20 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
