"""Tests pretraining by masked prediction: learning, what is trained, noisy input, edge cases, bad configurations."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.pretrain import UnlabelledSpeech
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import build_updates

MODEL = {
    "task": "pretrain",
    "features": {"name": "mel", "num_mels": 16, "dither": 0.0},
    "encoder": {
        **{"name": "fastconformer", "num_layers": 1, "width": 16, "num_heads": 2, "subsampling_channels": 4},
        **dict.fromkeys(("dropout", "dropout_pre_encoder", "dropout_att"), 0.0),
    },
    "quantizer": {"name": "random_projection", "num_codes": 12, "num_books": 2, "code_dim": 4},
    "masking": {"name": "blocks", "block": 16, "probability": 0.05},
    "decoder": {"name": "softmax", "num_codes": 12, "num_books": 2},
}
RNG = np.random.default_rng(0)
SAMPLES = RNG.normal(size=(3, 16000)).astype(np.float32)
LENGTHS = np.array([16000, 9000, 12040], np.int32)
BATCH = UnlabelledSpeech(SAMPLES, LENGTHS, np.arange(3, dtype=np.int32))


@cache
def task_of(position="features"):
    fields = {"block": 3, "probability": 0.3} if position == "subsampled" else {}
    task = build(MODEL | {"mask_position": position, "masking": MODEL["masking"] | fields})
    return task, jax.jit(task.init)(jax.random.key(0)), jax.jit(task.phases[0].loss), jax.jit(task.predict)


@pytest.mark.parametrize("position", [pytest.param("features", marks=pytest.mark.slow), "subsampled"])
def test_a_few_steps_learn_and_constants_stay(position):
    """A subsampling that makes the targets stays too, whatever the optimizer's decay."""
    task, variables, *_ = task_of(position)
    config = {"name": "adamw", "learning_rate": 1e-2, "weight_decay": 1e-1, "schedule": {"name": "constant"}}
    updates, schedule = build_updates(config, task.phases, steps=9)
    step = make_train_step(task, updates, schedule=schedule, loss_reduction="mean_volume")
    state, losses = init_state(jax.tree.map(jnp.copy, variables), [update.optimizer for update in updates]), []
    for _ in range(6):
        state, metrics = step(state, BATCH, 0)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < losses[0]
    assert 0 < metrics["mask_share"] < 1 and 1 <= metrics["code_perplexity"] <= 12 and 0 <= metrics["dead_codes"] < 1
    for name, same in {"encoder/subsampling": position == "subsampled", "decoder": False}.items():
        before, after = (tree["params"] for tree in (variables, state.variables))
        for part in name.split("/"):
            before, after = before[part], after[part]
        equal = jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), before, after)
        assert all(jax.tree.leaves(equal)) == same
    jax.tree.map(np.testing.assert_array_equal, variables["constants"], state.variables["constants"])


def test_the_targets_are_those_of_clean_speech():
    """Noise changes the loss, but no code; noise of nothing changes nothing."""
    _, variables, _, predict = task_of()
    noisy = SAMPLES + RNG.normal(size=SAMPLES.shape).astype(np.float32)
    clean, other = predict(variables, BATCH), predict(variables, BATCH._replace(noisy_samples=noisy))
    np.testing.assert_array_equal(clean.ids, other.ids)
    assert not np.allclose(clean.losses, other.losses)
    same = predict(variables, BATCH._replace(noisy_samples=SAMPLES))
    np.testing.assert_allclose(same.losses, clean.losses, rtol=1e-5)
    np.testing.assert_array_equal(same.masked, clean.masked)


def test_a_row_of_which_nothing_is_masked_counts_nothing():
    """The first row has 100 frames, where a block fits, the others are too short for one."""
    _, variables, loss, _ = task_of()
    batch = BATCH._replace(num_samples=np.array([16000, 2000, 0], np.int32))
    rows, _ = loss(variables, batch, jax.random.key(3))
    assert rows.losses[0] > 0 and rows.weights[0] > 0
    np.testing.assert_array_equal(rows.losses[1:], 0)
    np.testing.assert_array_equal(rows.weights[1:], 0)
    assert all(np.isfinite(values).all() for values in rows.logged.values())


def test_masks_of_an_evaluation_are_the_same_every_time_and_of_a_training_differ():
    _, variables, loss, predict = task_of()
    shares = [loss(variables, BATCH, jax.random.key(i))[0].logged["mask_share"] for i in (0, 1)]
    assert not np.array_equal(*shares)
    turned = jax.tree.map(lambda x: x[::-1], BATCH)
    np.testing.assert_array_equal(predict(variables, turned).masked[::-1], predict(variables, BATCH).masked)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder": {"name": "softmax", "num_codes": 13, "num_books": 2}}, "decoder.num_codes is 13, quantizer.num_"),
        ({"mask_position": "middle"}, "unknown mask_position 'middle'"),
        (
            {"mask_position": "subsampled", "encoder": {"name": "lstm", "num_layers": 1, "width": 8, "cell_width": 8}},
            "needs a fastconformer",
        ),
        ({"spec_augment": {}, "loss": {"alpha": 1}}, r"model\.(spec_augment|loss) is not a field"),
    ],
)
def test_configurations_that_cannot_be(changes, message):
    with pytest.raises(ConfigError, match=message):
        build(MODEL | changes)
