"""Makes the program that transcribes a batch, from the shapes of a model's variables alone."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxspeech.builder import build
from jaxspeech.forms.inference import for_inference
from jaxspeech.forms.kept_positions import KeptPositions
from jaxspeech.forms.transcribing import transcribing_forms
from jaxspeech.inference.batching import FULL_BATCH_SECONDS
from jaxspeech.nn.attention import POSITIONS
from jaxspeech.row_parallel import traced_over
from jaxspeech.targets.compiled import Compiled, compile_for
from jaxspeech.targets.target import Target
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.prediction import Outputs, predict
from jaxspeech.tasks.recognition import RecognitionTask
from jaxspeech.text.prompt import MULTIPLE

# How often the loop of a greedy search runs in a second of audio: about once for each token that is spoken.
ROUNDS = 5.0


class Transcriber(NamedTuple):
    """A recogniser in the form in which it transcribes on a platform.

    Attributes:
      config: as `build` takes it.
      task: that `build` makes from it.
      variables: their shapes, the cache of positions included.
      local: the task with local attention; None if there is no such form.
    """

    config: dict[str, Any]
    task: RecognitionTask
    variables: Any
    local: RecognitionTask | None

    def held(self) -> dict[str, float]:
        """Bytes that a device holds all the time, by kind."""

        def size(tree: Any) -> float:
            return float(sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree)))

        positions = size(self.variables.get(POSITIONS, {}))
        return {"weights": size(self.variables) - positions} | ({"positions": positions} if positions else {})


def transcriber(config: dict[str, Any], variables: Any, *, platform: str, dtype: str | None = None) -> Transcriber:
    """Prepares a recogniser as `Recognizer` does, from shapes.

    Args:
      config: as `build` takes it.
      variables: the model's, or their shapes.
      platform: where it is to run, as JAX calls it.
      dtype: of the matrix products; None: as in the configuration.
    """
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), variables)
    form: dict[str, Any] = {}

    def changed(variables: Any) -> Any:
        form["config"], variables = for_inference(config, variables, dtype=dtype, platform=platform)
        form["task"] = build(form["config"])
        return KeptPositions(form["task"].model, seconds=FULL_BATCH_SECONDS).beside(variables)

    shapes = jax.eval_shape(changed, shapes)
    forms = transcribing_forms(form["config"], form["task"])
    return Transcriber(form["config"], forms.transcribing, shapes, forms.local)


def audio_batch(mesh: Mesh, *, rows: int, samples: int) -> tuple[Any, Any]:
    """The shapes of padded audio [B S] and its lengths [B], split over the devices."""
    split = NamedSharding(mesh, P("data"))
    return (
        jax.ShapeDtypeStruct((rows, samples), jnp.float32, sharding=split),
        jax.ShapeDtypeStruct((rows,), jnp.int32, sharding=split),
    )


def prompt_batch(mesh: Mesh, *, rows: int) -> Asked:
    """The shapes of prompts of a usual length, split over the devices."""
    split = NamedSharding(mesh, P("data"))
    return Asked(
        jax.ShapeDtypeStruct((rows, MULTIPLE), jnp.int32, sharding=split),
        jax.ShapeDtypeStruct((rows,), jnp.int32, sharding=split),
    )


def inference_program(task: RecognitionTask, variables: Any, mesh: Mesh, *, rows: int, seconds: float) -> Any:
    """Returns (the jitted function, the shapes of its arguments) for a batch.

    Args:
      task: the recogniser's.
      variables: their shapes.
      mesh: of the devices.
      rows: of the batch, over all devices.
      seconds: length of the recordings.
    """
    whole = NamedSharding(mesh, P())
    placed = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=whole), variables)
    function = traced_over(partial(predict, task.inference, **Outputs()._asdict()), mesh)
    audio = audio_batch(mesh, rows=rows, samples=round(seconds * task.inference.sample_rate))
    asked = (prompt_batch(mesh, rows=rows),) if task.inference.prompted else ()
    return jax.jit(function), (placed, *audio, *asked)


def compile_inference(
    target: Target, task: RecognitionTask, variables: Any, mesh: Mesh, *, rows: int, seconds: float
) -> Compiled:
    """Compiles the program for a batch; the arguments are those of `inference_program`."""
    function, arguments = inference_program(task, variables, mesh, rows=rows, seconds=seconds)
    return compile_for(target, function, *arguments, trips=ROUNDS * seconds)
