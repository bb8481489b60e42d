"""Runs training steps by programs that are kept on disk: a run that starts again traces and compiles nothing.

Kept programs are those of one device. The key holds all settings of the run, and everything else that a program depends
on (see `runtime.executables`); they are the compiler's own, so that a run gives the same bits with them.
"""

from collections.abc import Mapping
from typing import Any

import jax
from jax.experimental.serialize_executable import deserialize_and_load, serialize

from jaxspeech.runtime.executables import ERRORS, program_key, read_kept, watch_cache, write_kept
from jaxspeech.runtime.kept_function import of_this_package
from jaxspeech.training.flops import count_flops, step_flops
from jaxspeech.training.state import TrainState


class KeptStep:
    """The jitted function of a training step, with its programs.

    Args:
      step: from `make_train_step`.
      model: the model that is trained; steps of modules of other packages are not kept, as their source is not part of
        the key.
      settings: of the run, JSON-serialisable.
    """

    def __init__(self, step: Any, model: Any, settings: Mapping[str, Any]):
        self._step = step
        self._settings = dict(settings) if of_this_package(model) else None
        self._programs: dict[Any, Any] = {}

    def __call__(self, state: TrainState, batch: Any, seed: int) -> tuple[TrainState, dict[str, Any]]:
        """Runs a step; see `make_train_step`."""
        return self._programs.get(_shapes(batch), self._step)(state, batch, seed)

    def prepare(self, state: TrainState, batch: Any, seed: int) -> float:
        """Reads the program for these arguments, or compiles it and keeps it; returns the FLOPs of a step."""
        key = None
        if self._settings is not None:
            key = program_key("train_step", self._settings, {}, (state, batch))
        if key is None:
            return step_flops(self._step, state, batch, seed)
        arguments = jax.tree.structure(((state, batch, seed), {}))
        if (kept := read_kept(key)) is not None:
            header, content = kept
            try:
                results = jax.tree.structure((state, dict.fromkeys(header["metrics"], 0)))
                program = deserialize_and_load(content, arguments, results, execution_devices=jax.devices()[:1])
                self._programs[_shapes(batch)] = program
                return header["flops"]
            except ERRORS:
                pass  # compiled again
        traced = self._step.trace(state, batch, seed)
        flops = count_flops(traced.jaxpr.jaxpr)
        with watch_cache() as hits:
            program = traced.lower().compile()
        self._programs[_shapes(batch)] = program
        if not hits:
            _keep(key, program, flops=flops)
        return flops


def _keep(key: dict[str, Any], program: Any, *, flops: float) -> None:
    """Writes a program; does nothing if it cannot be serialised."""
    try:
        content, _, results = serialize(program)
        _, metrics = jax.tree.unflatten(results, range(results.num_leaves))
        write_kept(key, {"metrics": list(metrics), "flops": flops}, content)
    except ERRORS:
        return


def _shapes(batch: Any) -> tuple[Any, ...]:
    return tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(batch))
