"""Trains the toy task or a small FastConformer on made-up batches, on any number of devices and processes.

    python -m tests.training.topologies STEPS OUTPUT '{"sharding": "fsdp", "mesh": {"model": 2}}' ...

For each setting, OUTPUT/0.npz, 1.npz, ... has the losses and the final variables by name.
"""

import functools
import json
from pathlib import Path

import jax
import numpy as np
from absl import app, flags

from jaxspeech.builder import build
from jaxspeech.configs.recognizers import fastconformer_ctc, fastconformer_transducer
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.training.parameters import path_name
from jaxspeech.training.processes import find_place, gather, is_leader, join
from jaxspeech.training.sharding import make_mesh, make_rules, process_share, put_batch, state_shardings
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import adamw
from jaxspeech.training.updates import Update
from jaxspeech.training.watchdog import watched
from tests.training.toy import ToyTask, toy_batch

FLAGS = flags.FLAGS
flags.DEFINE_string("coordinator", "", "")
flags.DEFINE_integer("num_processes", None, "")
flags.DEFINE_integer("process_id", None, "")

ROWS, VOCAB = 16, 7
SMALL = {"num_layers": 2, "width": 16, "num_heads": 2, "subsampling": "stacking", "conv_kernel": 5}
RATE = 1e-3


def make_task(model: dict | None):
    """Makes the toy task, a FastConformer with CTC, or a transducer if `model` has a decoder.

    "masks" and "dither" are settings of the features; the rest are fields of the encoder.
    """
    if model is None:
        return ToyTask(noise=0.1)
    model = dict(model)
    decoder, masks, dither = model.pop("decoder", None), model.pop("masks", 1), model.pop("dither", 1e-5)
    fields = SMALL | model
    made = fastconformer_ctc(**fields) if decoder is None else fastconformer_transducer(decoder=decoder, **fields)
    made.features.num_mels, made.features.dither = 16, dither
    made.spec_augment = {"freq_masks": masks, "freq_width": 2}
    made.decoder.vocab_size = VOCAB
    return build(made.to_dict())


def make_batch(step: int, *, rows: int = ROWS) -> Utterances:
    """Makes noise of 0.3 to 0.6 s with a few labels; row 1 has more labels than frames, the last row is a filler."""
    rng = np.random.default_rng(step % 4)
    num_samples = rng.integers(4800, 9600, rows).astype(np.int32)
    num_labels = rng.integers(1, 4, rows).astype(np.int32)
    num_samples[1], num_labels[1] = 1600, 4
    index = np.arange(rows, dtype=np.int32)
    index[-1] = -1
    return Utterances(
        samples=(0.1 * rng.standard_normal((rows, 9600))).astype(np.float32),
        num_samples=num_samples,
        labels=rng.integers(0, VOCAB, (rows, 4)).astype(np.int32),
        num_labels=num_labels,
        index=index,
    )


def train(steps: int, *, mesh=(), sharding="replicated", accumulate=1, devices=None, model=None):
    """Trains; returns the losses of `steps` steps and the final variables, on the host."""
    task, optimizer = make_task(model), adamw(RATE, clip_norm=1.0)
    mesh = make_mesh(**dict(mesh), devices=jax.devices()[:devices])
    key = jax.random.key(0)

    def init(key):
        return init_state(task.init(key), (optimizer,))

    shapes = jax.eval_shape(init, key)
    shardings = state_shardings(shapes, mesh, make_rules(sharding))
    state = jax.jit(init, out_shardings=shardings)(key)
    step = make_train_step(
        task,
        (Update(optimizer),),
        schedule=lambda step: RATE,
        accumulate=accumulate,
        shardings=shardings,
    )
    make = functools.partial(toy_batch, rows=ROWS) if model is None else make_batch
    part, parts = process_share(mesh)
    mine = slice(ROWS // parts * part, ROWS // parts * (part + 1))
    losses = []
    for i in range(steps):
        batch = put_batch(jax.tree.map(lambda x: x[mine], make(i)), mesh)
        state, metrics = step(state, batch, 0)
        losses.append(float(metrics["loss"]))
    assert jax.tree.map(lambda x: x.sharding, state) == shardings
    return np.array(losses), gather(state.variables)


def main(argv: list[str]) -> None:
    _, steps, output, *settings = argv
    place = find_place(coordinator=FLAGS.coordinator, num_processes=FLAGS.num_processes, process_id=FLAGS.process_id)
    coordinator = join(place) if place else ""
    with watched(coordinator):
        for number, setting in enumerate(settings):
            losses, variables = train(int(steps), **json.loads(setting))
            if is_leader():
                named = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(variables)}
                np.savez(Path(output, f"{number}.npz"), losses=losses, **named)


if __name__ == "__main__":
    app.run(main)
