"""Keeps the programs of a run on disk (see `runtime.executables`): started again, it traces and compiles none of them.

    state = kept_state(init, seed, like=abstract, config=...)
    state, metrics = KeptStep(train_step, config=...)(state, batch, seed)

Only programs of one device are kept, and of tasks of this package, whose source the key of a program has.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxspeech.runtime.executables import ERRORS, program_key, read_kept, watch_cache, write_kept
from jaxspeech.runtime.kept_function import compile_kept, of_this_package
from jaxspeech.training.flops import count_flops

# The settings of a recipe on which its programs depend.
SETTINGS = ("model", "optimizer", "steps", "loss_reduction", "average_decay", "accumulate", "freeze", "train_only")
SETTINGS += ("lora", "mesh", "sharding")

Step = Callable[[Any, Any, Any], tuple[Any, dict[str, Any]]]


def programs_config(settings: Mapping[str, Any], task: Any) -> dict[str, Any]:
    """What determines a run's programs; {} if they are not kept.

    Args:
      settings: of the recipe, with the model's final configuration.
      task: what the run trains.
    """
    functions = [task.init, task.seconds, *(phase.loss for phase in task.phases)]
    ours = all(getattr(function, "__module__", "").startswith("jaxspeech.") for function in functions)
    if not ours or not of_this_package(task.model):
        return {}
    return {name: settings[name] for name in SETTINGS if name in settings}


def kept_state(init: Callable[[Any], Any], seed: int, *, like: Any, config: dict[str, Any]) -> Any:
    """Computes `init(key(seed))`.

    Args:
      init: key -> the state.
      seed: of the run.
      like: the shapes of the state, with shardings.
      config: from `programs_config`.
    """
    shardings = jax.tree.map(lambda x: x.sharding, like)
    if not config or len(jax.tree.leaves(shardings)[0].device_set) > 1:
        return jax.jit(init, out_shardings=shardings)(jax.random.key(seed))

    def leaves(seed: Any) -> tuple[Any, ...]:
        return tuple(jax.tree.leaves(init(jax.random.key(seed))))

    arguments = (jnp.asarray(seed),)
    program = compile_kept(leaves, arguments, name="init", config=config, options={}, what="the initial values")
    return jax.tree.map(_placed, jax.tree.unflatten(jax.tree.structure(like), program(*arguments)), shardings)


class KeptStep:
    """A training step with the programs for its batch shapes; it is called as the jitted step is.

    Args:
      step: what `make_train_step` returned.
      config: from `programs_config`.
    """

    def __init__(self, step: Any, *, config: dict[str, Any]):
        self._step, self._config = step, config
        self._programs: dict[Any, tuple[Step, float]] = {}

    def __call__(self, state: Any, batch: Any, seed: Any) -> tuple[Any, dict[str, Any]]:
        return self._program(state, batch, seed)[0](state, batch, seed)

    def flops(self, state: Any, batch: Any, seed: Any) -> float:
        """FLOPs of one step; the program for these shapes is then ready."""
        return self._program(state, batch, seed)[1]

    def _program(self, state: Any, batch: Any, seed: Any) -> tuple[Step, float]:
        shape = tuple(x.shape for x in jax.tree.leaves(batch))
        if shape not in self._programs:
            self._programs[shape] = self._found(state, batch, seed)
        return self._programs[shape]

    def _found(self, state: Any, batch: Any, seed: Any) -> tuple[Step, float]:
        """Reads the program and its FLOPs from disk, or compiles it and writes it there."""
        key = None
        if self._config:
            key = program_key("train_step", self._config, {}, (state, batch, jnp.asarray(seed)))
        if key is not None and (kept := _read(key)) is not None:
            return kept
        traced = self._step.trace(state, batch, seed)
        flops = count_flops(traced.jaxpr.jaxpr)
        if key is None:
            return self._step, flops
        with watch_cache() as hits:
            program = traced.lower().compile()
        if not hits:
            _write(key, program, flops)
        return program, flops


def _read(key: dict[str, Any]) -> tuple[Step, float] | None:
    """The kept step and its FLOPs; None if there is none that can be used."""
    if (found := read_kept(key)) is None:
        return None
    header, content = found
    try:
        client: Any = jax.devices()[0].client
        executable = client.deserialize_executable(content, jax.devices()[:1], None)
        return _called(executable, list(header["kept"]), list(header["metrics"])), float(header["flops"])
    except ERRORS:
        return None


def _write(key: dict[str, Any], program: Any, flops: float) -> None:
    """Writes a compiled step; does nothing if it cannot be serialised."""
    try:
        _, metrics = jax.tree.unflatten(program.out_tree, range(program.out_tree.num_leaves))
        header = {"kept": sorted(program._executable._kept_var_idx), "metrics": sorted(metrics), "flops": flops}
        write_kept(key, header, program.runtime_executable().serialize())
    except ERRORS:
        return


def _called(executable: Any, kept: list[int], names: list[str]) -> Step:
    """The step that an executable computes, which takes the state's buffers as the jitted step does."""

    def step(state: Any, batch: Any, seed: Any) -> tuple[Any, dict[str, Any]]:
        leaves, tree = jax.tree.flatten(state)
        arguments = [*leaves, *jax.tree.leaves(batch), jnp.asarray(seed)]
        results = executable.execute_sharded([arguments[i] for i in kept]).disassemble_into_single_device_arrays()
        arrays = [shards[0] for shards in results]
        new = [_placed(x, old.sharding) for x, old in zip(arrays, leaves, strict=False)]
        return jax.tree.unflatten(tree, new), dict(zip(names, arrays[len(leaves) :], strict=True))

    return step


def _placed(x: Any, sharding: Any) -> jax.Array:
    """The same array on the same device, with the sharding that arrays of a run have."""
    return jax.make_array_from_single_device_arrays(x.shape, sharding, [x])
