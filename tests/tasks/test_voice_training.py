"""A voice that learns as a whole: what each phase trains, and segments of the frames that belong to their samples."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.speech import SpokenText
from jaxspeech.tasks.voice_training import VoiceTraining, segments_of
from jaxspeech.training.parameters import path_name
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import build_updates
from tests.contract.cases import SPEECH, VOCODER

HOP = 128
FEATURES = VOCODER["features"] | {"exact_pad": False}
MODEL = {
    "task": "voice",
    "speech": SPEECH | {"features": FEATURES, "vocab_size": 5},
    "vocoder": VOCODER | {"features": FEATURES, "generator": VOCODER["generator"] | {"centred": True}},
    "training": {"segment": 8, "made": 0.0},
}


@pytest.fixture(scope="module")
def task():
    return build(MODEL)


@pytest.fixture(scope="module")
def variables(task):
    """Random ones, without compiling their initialisation."""
    rng = np.random.default_rng(0)

    def fill(x):
        random = rng.standard_normal(x.shape) if x.dtype == jnp.float32 else np.zeros(x.shape)
        return jnp.asarray(0.2 * random, x.dtype)

    return jax.tree.map(fill, jax.eval_shape(task.init, jax.random.key(0)))


@pytest.fixture(scope="module")
def batch():
    """Rows of 20 and 5 frames, the second shorter than a segment."""
    rng, lengths = np.random.default_rng(0), np.array([20 * HOP, 5 * HOP])
    samples = 0.3 * rng.standard_normal((2, 20 * HOP + 7)).astype(np.float32)
    samples[1, lengths[1] :] = np.nan
    return SpokenText(
        index=np.array([3, 8]),
        text=np.array([[1, 2, 3], [4, 2, 10**6]]),
        num_symbols=np.array([3, 2]),
        samples=samples,
        num_samples=lengths,
        pitch=np.zeros((2, 21), np.float32),
        speaker=np.zeros(2, np.int32),
    )


def test_segments_are_frames_and_their_samples(task, variables, batch):
    speech = task.model.speech_task.model
    cut = jax.jit(segments_of(speech, VoiceTraining(8, 0.0)))
    found = cut(variables, batch)
    mel, _ = speech.bind({}).features(jnp.nan_to_num(batch.samples), batch.num_samples)
    assert found.num_frames.tolist() == [8, 5] and found.num_samples.tolist() == [8 * HOP, 5 * HOP]
    places = [at for at in range(13) if np.allclose(found.mel[0], mel[0, at : at + 8], atol=1e-5)]
    assert len(places) == 1
    np.testing.assert_array_equal(found.samples[0], batch.samples[0, places[0] * HOP :][: 8 * HOP])
    np.testing.assert_allclose(found.mel[1, :5], mel[1, :5], atol=1e-5)
    assert not np.any(found.samples[1, 5 * HOP :]) and np.isfinite(found.samples).all()
    other = cut(variables, batch._replace(index=np.array([4, 8])))
    assert not np.array_equal(found.samples, other.samples)
    made = jax.jit(segments_of(speech, VoiceTraining(8, 1.0)))(variables, batch)
    np.testing.assert_array_equal(made.samples, found.samples)
    assert not np.allclose(made.mel, found.mel, atol=0.1)


def test_each_phase_trains_its_own_part(task, variables):
    names = {path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(variables["params"])}
    found = {phase.name: {name for name in names if re.search(phase.trains, name)} for phase in task.phases}
    assert [*found] == ["discriminator", "generator", "speech"] and set().union(*found.values()) == names
    starts = {name: {"/".join(path.split("/")[:2]) for path in paths} for name, paths in found.items()}
    assert starts["discriminator"] == {"vocoder/discriminators"} and starts["generator"] == {"vocoder/generator"}
    assert all(name.startswith("speech/") for name in found["speech"])


@pytest.mark.slow
def test_one_step_trains_all_parts_each_by_its_own_loss(task, variables, batch):
    updates, schedule = build_updates({"learning_rate": 1e-2}, task.phases, steps=4)
    step = make_train_step(task, updates, schedule=schedule)
    state = init_state(jax.tree.map(jnp.copy, variables), [update.optimizer for update in updates])
    new, metrics = step(state, batch, 0)
    assert not metrics["skipped"] and np.isfinite(metrics["speech/loss"]) and np.isfinite(metrics["generator/mel"])
    changed = jax.tree.map(lambda a, b: bool(np.any(a != b)), new.variables["params"], variables["params"])
    assert all(any(jax.tree.leaves(tree)) for tree in (changed["speech"], *changed["vocoder"].values()))
    assert int(new.variables["schedule"]["speech"]["updates"]) == 1
    said = jax.jit(task.predict)(new.variables, batch)
    assert said.samples.shape[0] == 2 and np.isfinite(said.samples).all()


def test_the_parts_are_what_a_voice_alone_has(task):
    alone = build({key: value for key, value in MODEL.items() if key != "training"})
    assert alone.phases == () and alone.inference._fields == task.inference._fields
    with pytest.raises(ConfigError, match="made 2"):
        build(MODEL | {"training": {"made": 2}})
