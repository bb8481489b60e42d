"""Makes the programs that are compiled for GPUs and TPUs that this machine does not have, from shapes alone."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks.models import SAMPLE_RATE, VOCAB_SIZE
from benchmarks.random_ngrams import random_ngram, random_phrases
from jaxspeech.builder import build
from jaxspeech.forms.inference import for_inference
from jaxspeech.forms.streaming import streaming
from jaxspeech.forms.time_parallel import time_parallel_program
from jaxspeech.inference.fusing import Weighted, start_of, with_models
from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.losses.transducer import rnnt_loss
from jaxspeech.losses.transducer_joint import rnnt_joint_loss
from jaxspeech.targets.inference_program import ROUNDS, inference_program, prompt_batch, transcriber
from jaxspeech.tasks.attention import Prompted
from jaxspeech.tasks.pretrain import UnlabelledSpeech
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.training.sharding import make_rules, state_shardings
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import adamw
from jaxspeech.training.updates import Update


class Case(NamedTuple):
    """A program to compile.

    Attributes:
      function: jitted.
      arguments: shapes with shardings.
      seconds: of audio in one call, over all devices.
      trips: how often its loops of unknown length run, see `targets.roofline.estimate`.
    """

    function: Any
    arguments: tuple[Any, ...]
    seconds: float
    trips: float | tuple[float, ...] = 1


def _batch(task: Any, mesh: Mesh, rows: int, seconds: float, labels: int) -> Utterances | Prompted | UnlabelledSpeech:
    """The shapes of a batch, split over the devices."""
    split = NamedSharding(mesh, P("data"))

    def array(dtype: Any, *shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=split)

    audio = array(jnp.float32, rows, round(seconds * SAMPLE_RATE)), array(jnp.int32, rows)
    text = array(jnp.int32, rows, labels), array(jnp.int32, rows)
    if task.batch is UnlabelledSpeech:
        return UnlabelledSpeech(*audio, array(jnp.int32, rows), audio[0])
    if task.batch is Prompted:
        return Prompted(*audio, *prompt_batch(mesh, rows=rows)[:2], *text, array(jnp.int32, rows))
    return Utterances(*audio, *text, array(jnp.int32, rows))


def _placed(shapes: Any, shardings: Any) -> Any:
    return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings)


def _shapes(config: dict[str, Any]) -> Any:
    return jax.eval_shape(build(config).init, jax.random.key(0))


def platform_of(mesh: Mesh) -> str:
    """What JAX calls the devices: "cuda", "tpu" or "cpu"."""
    platform = mesh.devices.flat[0].platform
    return "cuda" if platform == "gpu" else platform


# What a search takes in besides the model's own scores; and how often a look-up of a token backs off, at most: the
# n-grams have order 3.
SEARCHED_WITH = {"lm": random_ngram, "boost": random_phrases}
BACKOFFS = 2.0


def infer(
    mesh: Mesh,
    *,
    config: dict[str, Any],
    rows: int = 128,
    seconds: float = 20.0,
    rounds: float = ROUNDS,
    models: tuple[str, ...] = (),
) -> Case:
    """Transcribes a batch on each device, as the recognizer does.

    Args:
      rounds: how often a search runs for each second.
      models: of SEARCHED_WITH.
    """
    found = transcriber(config, _shapes(config), platform=platform_of(mesh), dtype="bfloat16")
    rows *= mesh.size
    made = [SEARCHED_WITH[name](found.task.inference.vocab_size) for name in models]
    given = with_models({}, [Weighted(model, 0.5, [start_of(model)]) for model in made], rows)
    variables = found.variables | jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), given)
    program = inference_program(found.task, variables, mesh, rows=rows, seconds=seconds)
    return Case(*program, rows * seconds, (rounds * seconds, BACKOFFS) if models else rounds * seconds)


def encode_over_devices(mesh: Mesh, *, config: dict[str, Any], seconds: float) -> Case:
    """Encodes the features of one recording, whose time is split over the devices."""
    found = transcriber(config, _shapes(config), platform=platform_of(mesh), dtype="bfloat16")
    model: Any = found.task.model
    function, split, whole = time_parallel_program(model, devices=list(mesh.devices.flat))
    multiple = model.encoder.total_factor * mesh.size
    frames = -(-round(seconds * 100) // multiple) * multiple
    features = jax.ShapeDtypeStruct((1, frames, model.frontend.num_features), jnp.float32, sharding=split)
    variables = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=whole), found.variables)
    lengths = jax.ShapeDtypeStruct((1,), jnp.int32, sharding=whole)
    return Case(function, (variables, features, lengths), seconds)


def stream(mesh: Mesh, *, config: dict[str, Any], size: int) -> Case:
    """A step of live recordings, each with a chunk."""
    form: dict[str, Any] = {}

    def prepared(variables: Any) -> Any:
        config_, variables = for_inference(config, variables, dtype="bfloat16", platform=platform_of(mesh))
        form["form"] = streaming(build(config_))
        variables = form["form"].prepare(variables)
        return variables, form["form"].start(variables, size)

    variables, state = whole(jax.eval_shape(prepared, _shapes(config)), mesh)
    made = form["form"]
    samples, counts, ends = (
        ((size, made.step_samples), jnp.float32),
        ((size,), jnp.int32),
        ((size,), jnp.bool_),
    )
    inputs = whole([jax.ShapeDtypeStruct(*of) for of in (samples, counts, ends)], mesh)
    return Case(
        jax.jit(made.step, donate_argnums=1), (variables, state, *inputs), size * made.step_samples / SAMPLE_RATE
    )


def whole(shapes: Any, mesh: Mesh) -> Any:
    """Gives all shapes the sharding of arrays that every device has."""
    sharding = NamedSharding(mesh, P())
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), shapes)


def loss(mesh: Mesh, *, of: str, b: int, t: int, u: int, v: int = VOCAB_SIZE, j: int = 640) -> Case:
    """A loss with its gradients: "ctc" and "rnnt" from float32 logits, "rnnt_joint" from a bfloat16 joint network."""

    def array(*shape: int, dtype: Any = jnp.float32) -> Any:
        return jax.ShapeDtypeStruct(shape, dtype)

    half = jnp.bfloat16
    inputs = {
        "ctc": [array(b, t, v + 1)],
        "rnnt": [array(b, t, u + 1, v + 1)],
        "rnnt_joint": [array(b, t, j, dtype=half), array(b, u + 1, j, dtype=half), array(j, v + 1), array(v + 1)],
    }[of]
    function = {"ctc": ctc_loss, "rnnt": rnnt_loss, "rnnt_joint": rnnt_joint_loss}[of]
    counts = array(b, dtype=jnp.int32)

    def mean_loss(inputs: Any, labels: Any, num_frames: Any, num_labels: Any) -> Any:
        return function(*inputs, num_frames, labels, num_labels, blank_id=v).mean()

    arguments = whole((inputs, array(b, u, dtype=jnp.int32), counts, counts), mesh)
    return Case(jax.jit(jax.value_and_grad(mean_loss)), arguments, 0.0)


def train(
    mesh: Mesh, *, config: dict[str, Any], rows: int, seconds: float = 20.0, labels: int = 80, sharding: str
) -> Case:
    """A training step with AdamW; `rows` on each device."""
    task = build(config)
    batch = _batch(task, mesh, rows * mesh.size, seconds, labels)
    updates, schedule = (Update(adamw(1e-3)),), lambda count: 1e-3
    return step(mesh, task, updates, schedule, batch, seconds=seconds, sharding=sharding, loss_reduction="mean_volume")


def step(
    mesh: Mesh, task: Any, updates: Any, schedule: Any, batch: Any, *, seconds: float, sharding: str, **options: Any
) -> Case:
    """A training step with the updates of all phases of a task.

    Args:
      batch: shapes with shardings, of all devices.
      seconds: of audio in each row.
      sharding: of the state, see `training.sharding.make_rules`.
      options: of `make_train_step`.
    """
    optimizers = [update.optimizer for update in updates]
    shapes = jax.eval_shape(lambda key: init_state(task.init(key), optimizers), jax.random.key(0))
    shardings = state_shardings(shapes, mesh, make_rules(sharding))
    function = make_train_step(task, updates, schedule=schedule, shardings=shardings, **options)
    return Case(function, (_placed(shapes, shardings), batch, 0), batch.index.shape[0] * seconds)
