"""Compiles the cases for a GPU or TPU that this machine does not have, and predicts their memory and time there.

    python -m benchmarks --target=h200               all cases that fit the number of devices
    python -m benchmarks --target=v5e:4x4 --only=train_ctc_115m

Each case is a program and the shapes of its arguments; nothing is executed. The prediction is `targets.roofline`'s.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks.models import SAMPLE_RATE, ctc_config, transducer_config
from jaxspeech.builder import build
from jaxspeech.forms.inference import unstacked
from jaxspeech.targets.compiled import compile_for
from jaxspeech.targets.target import find_target
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.training.flops import step_flops
from jaxspeech.training.sharding import make_mesh, make_rules, state_shardings
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import adamw
from jaxspeech.training.updates import Update

HALF = {"dtype": "bfloat16"}


class Case(NamedTuple):
    """A program to compile.

    Attributes:
      function: jitted.
      arguments: shapes with shardings.
      seconds: of audio in one call, over all devices.
      trips: how often its loops of unknown length run.
    """

    function: Any
    arguments: tuple[Any, ...]
    seconds: float
    trips: float = 1


def _batch(mesh: Mesh, rows: int, seconds: float, labels: int) -> Utterances:
    """The shapes of a batch, split over the devices."""
    split = NamedSharding(mesh, P("data"))

    def array(dtype: Any, *shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=split)

    samples = array(jnp.float32, rows, round(seconds * SAMPLE_RATE))
    return Utterances(
        samples, array(jnp.int32, rows), array(jnp.int32, rows, labels), array(jnp.int32, rows), array(jnp.int32, rows)
    )


def _placed(shapes: Any, shardings: Any) -> Any:
    return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings)


def infer(mesh: Mesh, *, config: dict[str, Any], rows: int = 128, seconds: float = 20.0, trips: float = 1) -> Case:
    """Inference as the recognizer runs it: separate layers, weights of products in bfloat16."""
    task = build(unstacked(config))
    shapes = jax.eval_shape(task.init, jax.random.key(0))

    def rounded(path: Any, x: Any) -> Any:
        return jax.ShapeDtypeStruct(x.shape, jnp.bfloat16 if path[-1].key == "kernel" else x.dtype)

    shapes = jax.tree_util.tree_map_with_path(rounded, shapes)
    whole = jax.tree.map(lambda _: NamedSharding(mesh, P()), shapes)
    rows *= mesh.size
    batch = _batch(mesh, rows, seconds, 1)
    return Case(jax.jit(task.predict), (_placed(shapes, whole), batch), rows * seconds, trips)


def train(
    mesh: Mesh, *, config: dict[str, Any], rows: int, seconds: float = 20.0, labels: int = 80, sharding: str
) -> Case:
    """A training step with AdamW; `rows` on each device."""
    task = build(config)
    optimizer = adamw(1e-3)
    shapes = jax.eval_shape(lambda key: init_state(task.init(key), (optimizer,)), jax.random.key(0))
    shardings = state_shardings(shapes, mesh, make_rules(sharding))
    step = make_train_step(
        task, (Update(optimizer),), schedule=lambda count: 1e-3, loss_reduction="mean_volume", shardings=shardings
    )
    rows *= mesh.size
    batch = _batch(mesh, rows, seconds, labels)
    return Case(step, (_placed(shapes, shardings), batch, 0), rows * seconds)


def _tdt(size: str, **more: Any) -> dict[str, Any]:
    config = transducer_config(size, joint_width=640, **HALF, **more)
    return config | {"decoder": config["decoder"] | {"durations": (0, 1, 2, 3, 4)}}


_AUGMENTED: dict[str, Any] = {"spec_augment": True, **HALF}
# A greedy search runs its loop about once for each token and frame with a blank: 250 frames of 20 s, 80 tokens.
_SEARCH = 100.0
_RNNT = {"joint_width": 640, **_AUGMENTED}


class OnTarget(NamedTuple):
    """A case, and the number of devices that it is for."""

    make: Callable[[Mesh], Case]
    devices: int = 1


def _trained(config: dict[str, Any], *, rows: int = 64) -> OnTarget:
    return OnTarget(partial(train, config=config, rows=rows, sharding="replicated"))


CASES = {
    "infer_ctc_115m": OnTarget(partial(infer, config=ctc_config("115m", **HALF))),
    "infer_ctc_600m": OnTarget(partial(infer, config=ctc_config("600m", **HALF))),
    "infer_ctc_1100m": OnTarget(partial(infer, config=ctc_config("1100m", **HALF))),
    "infer_rnnt_115m": OnTarget(
        partial(infer, config=transducer_config("115m", joint_width=640, **HALF), trips=_SEARCH)
    ),
    "infer_tdt_600m": OnTarget(partial(infer, config=_tdt("600m"), trips=_SEARCH)),
    "train_ctc_115m": _trained(ctc_config("115m", **_AUGMENTED)),
    "train_rnnt_115m": _trained(transducer_config("115m", **_RNNT)),
    "train_tdt_115m": _trained(_tdt("115m", spec_augment=True)),
    "train_hybrid_115m": _trained(transducer_config("115m", **_RNNT) | {"task": "hybrid"}),
    "train_ctc_600m": OnTarget(
        partial(train, config=ctc_config("600m", remat="full", **_AUGMENTED), rows=32, sharding="fsdp"), devices=8
    ),
    "train_ctc_1100m": OnTarget(
        partial(train, config=ctc_config("1100m", remat="full", **_AUGMENTED), rows=16, sharding="fsdp"), devices=64
    ),
}


def compile_case(name: str, target_name: str, *, keep: str = "") -> dict[str, Any]:
    """Compiles a case and predicts its time; returns the figures to print.

    Args:
      name: of the case.
      target_name: see `targets.hardware.parse_target`.
      keep: a file for the text of the optimized program; "" for none.
    """
    target = find_target(target_name)
    mesh = make_mesh(devices=target.devices)
    case = CASES[name].make(mesh)
    program = compile_for(target, case.function, *case.arguments, trips=case.trips)
    if keep:
        Path(keep).write_text(program.text, encoding="utf-8")
    found, flops = program.estimate, step_flops(case.function, *case.arguments)
    peak = target.hardware.matrix_flops * mesh.size
    return {
        "what": name,
        "target": target_name,
        "jax": jax.__version__,
        "trace_s": round(program.traced_s, 1),
        "compile_s": round(program.compiled_s, 1),
        "arguments_gb": program.arguments / 1e9,
        "temporaries_gb": program.temporaries / 1e9,
        "tflop": flops / mesh.size / 1e12,
        "gb_moved": found.bytes / 1e9,
        "gb_sent": found.sent / 1e9,
        "kernels": int(found.launches),
        "copies": program.copies,
        "predicted_ms": found.seconds * 1e3,
        "floor_ms": flops / peak * 1e3,
        "mfu": flops / peak / found.seconds,
        "RTFx": case.seconds / found.seconds,
    }
