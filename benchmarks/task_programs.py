"""Makes the programs of synthesis and enhancement that are compiled for GPUs and TPUs, from shapes alone.

The sizes are those that the recipes publish: FastPitch, HiFi-GAN v1, Vocos, the codec, mask estimator, NCSN++.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks.models import SAMPLE_RATE
from benchmarks.target_programs import Case, platform_of, step, whole
from benchmarks.text_to_mel import HOP, RATE
from benchmarks.text_to_mel import model as fastpitch
from benchmarks.vocoders import OPTIMIZER
from jaxspeech.builder import build
from jaxspeech.forms.inference import for_inference
from jaxspeech.tasks.enhancement import EnhancementRows
from jaxspeech.tasks.kinds import Timing
from jaxspeech.tasks.speech import SpokenText
from jaxspeech.tasks.waveforms import Waveforms
from jaxspeech.training.updates import build_updates


class Rows:
    """Shapes of arrays with B rows leading, which are split over the devices."""

    def __init__(self, mesh: Mesh, rows: int) -> None:
        self.num, self._split = rows * mesh.size, NamedSharding(mesh, P("data"))

    def __call__(self, dtype: Any, *shape: int) -> Any:
        return jax.ShapeDtypeStruct((self.num, *shape), dtype, sharding=self._split)

    def of(self, shapes: Any) -> Any:
        """The same shapes as those of a pytree, split."""
        return jax.tree.map(lambda x: self(x.dtype, *x.shape[1:]), shapes)


def _prepared(config: dict[str, Any], mesh: Mesh) -> tuple[Any, Any]:
    """Returns what a model is used by, and the shapes of its variables."""
    form: dict[str, Any] = {}

    def prepare(key: Any) -> Any:
        variables = build(config).init(key)
        form["config"], variables = for_inference(config, variables, dtype="bfloat16", platform=platform_of(mesh))
        return variables

    variables = whole(jax.eval_shape(prepare, jax.random.key(0)), mesh)
    return build(form["config"]).inference, variables


def speak(mesh: Mesh, *, rows: int = 32, symbols: int = 150, seconds: float = 10.0) -> Case:
    """Makes mel frames of the durations that were found, FastPitch's second program, the larger one."""
    found, variables = _prepared(fastpitch(), mesh)
    row = Rows(mesh, rows)
    given = row(jnp.int32, symbols), row(jnp.int32), row(jnp.int32), row(jnp.float32), row(jnp.float32)
    timing = row.of(jax.eval_shape(found.durations, variables, *given))
    frames = round(seconds * RATE) // HOP
    program = jax.jit(lambda variables, durations, hidden: found.frames(variables, Timing(durations, hidden), frames))
    return Case(program, (variables, *timing), row.num * seconds)


def vocode(mesh: Mesh, *, config: dict[str, Any], rows: int = 32, seconds: float = 10.0) -> Case:
    """Makes samples of mel frames."""
    found, variables = _prepared(config | {"discriminators": {"name": "none"}}, mesh)
    row = Rows(mesh, rows)
    frames = round(seconds * found.sample_rate) // found.hop
    mel = row(jnp.float32, frames, config["features"]["num_mels"])
    return Case(jax.jit(found.vocode), (variables, mel, row(jnp.int32)), row.num * seconds)


def code(mesh: Mesh, *, config: dict[str, Any], rows: int = 32, seconds: float = 10.0) -> Case:
    """Codes recordings, and decodes them again."""
    found, variables = _prepared(config | {"discriminator": {}}, mesh)
    row = Rows(mesh, rows)

    def there_and_back(variables: Any, samples: Any, num_samples: Any) -> Any:
        return found.decode(variables, *found.encode(variables, samples, num_samples))

    samples = row(jnp.float32, round(seconds * found.sample_rate))
    return Case(jax.jit(there_and_back), (variables, samples, row(jnp.int32)), row.num * seconds)


def enhance(mesh: Mesh, *, config: dict[str, Any], rows: int = 32, channels: int = 1, seconds: float = 4.0) -> Case:
    """Enhances recordings."""
    found, variables = _prepared(config, mesh)
    row = Rows(mesh, rows)
    samples = row(jnp.float32, channels, round(seconds * found.sample_rate))
    return Case(jax.jit(found.enhance), (variables, samples, row(jnp.int32)), row.num * seconds)


def train(mesh: Mesh, *, config: dict[str, Any], batch: Any, seconds: float) -> Case:
    """A training step with all phases of the task; `batch` makes its batch of Rows, `seconds` are of each row."""
    task = build(config)
    updates, schedule = build_updates(OPTIMIZER, task.phases, steps=1000)
    return step(mesh, task, updates, schedule, batch(mesh), seconds=seconds, sharding="replicated")


def segments(mesh: Mesh, *, samples: int, rows: int = 16) -> Waveforms:
    """A batch of a vocoder or a codec."""
    row = Rows(mesh, rows)
    return Waveforms(row(jnp.int32), row(jnp.float32, samples), row(jnp.int32))


def spoken_texts(mesh: Mesh, *, rows: int = 32, symbols: int = 100, seconds: float = 6.5) -> SpokenText:
    """A batch of FastPitch."""
    row, size = Rows(mesh, rows), round(seconds * RATE)
    text, audio = (row(jnp.int32, symbols), row(jnp.int32)), (row(jnp.float32, size), row(jnp.int32))
    return SpokenText(row(jnp.int32), *text, *audio, row(jnp.float32, size // HOP + 1), row(jnp.int32))


def mixtures(mesh: Mesh, *, rows: int = 8, seconds: float = 4.0) -> EnhancementRows:
    """A batch of enhancement with one channel."""
    row = Rows(mesh, rows)
    audio = row(jnp.float32, 1, round(seconds * SAMPLE_RATE))
    return EnhancementRows(row(jnp.int32), audio, row(jnp.int32), audio)
