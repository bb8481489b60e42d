"""Compares block-wise transducer losses from a joint network with those from all its logits, and their memory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.losses.transducer import multiblank_rnnt_loss, rnnt_loss, tdt_loss
from jaxspeech.losses.transducer_joint import multiblank_rnnt_joint_loss, rnnt_joint_loss, tdt_joint_loss
from tests.losses.oracles_transducer import QUICK_COMPILE

ROWS, FRAMES, LABELS, WIDTH, SYMBOLS = 4, 7, 3, 5, 9
NUM_FRAMES, NUM_LABELS = np.array([7, 5, 1, 0]), np.array([3, 0, 2, 1])
WEIGHTS = np.array([1.0, -0.5, 2.0, 0.0], np.float32)

CASES = {
    "rnnt": (rnnt_loss, rnnt_joint_loss, dict(blank_id=8, fastemit=0.1, clamp=0.2)),
    "multiblank": (
        multiblank_rnnt_loss,
        multiblank_rnnt_joint_loss,
        dict(blank_id=8, big_blank_durations=(2, 3), sigma=0.05),
    ),
    "tdt": (tdt_loss, tdt_joint_loss, dict(blank_id=5, durations=(0, 1, 2), sigma=0.1)),
}
every_loss = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


def random_joint(seed=0, *, rows=ROWS):
    rng = np.random.default_rng(seed)
    shapes = (rows, FRAMES, WIDTH), (rows, LABELS + 1, WIDTH), (WIDTH, SYMBOLS), (SYMBOLS,)
    joint = tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)
    return joint, rng.integers(0, 5, size=(rows, LABELS)).astype(np.int32)


@partial(jax.jit, static_argnums=(0, 1), compiler_options=QUICK_COMPILE)
def _value_and_grads(loss, options, joint, num_frames, labels, num_labels, weights, key=None):
    def total(joint):
        losses = loss(*joint, num_frames, labels, num_labels, key=key, **dict(options))
        return jnp.where(weights == 0, 0, weights * losses).sum(), losses

    return jax.grad(total, has_aux=True)(joint)


def value_and_grads(loss, options, joint, labels, *, num_frames=NUM_FRAMES, num_labels=NUM_LABELS, key=None):
    weights = WEIGHTS[: len(num_frames)]
    grads, losses = _value_and_grads(loss, tuple(options.items()), joint, num_frames, labels, num_labels, weights, key)
    return np.asarray(losses), [np.asarray(x, np.float32) for x in grads]


def all_at_once(loss, activation, encoded, predicted, kernel, bias, *lengths, key=None, **options):
    """Computes the loss from all logits of the joint at once."""
    encoded, predicted = jnp.nan_to_num(encoded), jnp.nan_to_num(predicted)
    logits = ACTIVATIONS[activation](encoded[:, :, None] + predicted[:, None]) @ kernel + bias
    return loss(logits, *lengths, **options)


def assert_same(found, expected, **tolerance):
    tolerance = dict(rtol=1e-5, atol=1e-5) | tolerance
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    for x, y in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(x, y, **tolerance)


@pytest.mark.parametrize(
    "name, activation",
    [("rnnt", "relu"), ("rnnt", "tanh"), ("rnnt", "sigmoid"), ("multiblank", "tanh"), ("tdt", "sigmoid")],
)
def test_equals_all_at_once(name, activation):
    """Compares the losses and all four gradients; blocks do not divide the frames, and one row is empty."""
    loss, joint_loss, options = CASES[name]
    joint, labels = random_joint()
    blocks = options | dict(activation=activation, block_frames=3)
    found = value_and_grads(joint_loss, blocks, joint, labels)
    assert np.isinf(found[0][3]) and not found[1][0][3].any() and not found[1][1][3].any()
    assert all(x.any() for x in found[1])
    expected = value_and_grads(partial(all_at_once, loss, activation), options, joint, labels)
    assert_same(found, expected)


def test_every_block_size_gives_the_same_result():
    joint, labels = random_joint()
    one, all_frames = (
        value_and_grads(rnnt_joint_loss, dict(blank_id=8, block_frames=frames), joint, labels) for frames in (1, 100)
    )
    assert_same(one, all_frames)


@every_loss
def test_padding_may_hold_nan(case):
    _, joint_loss, options = case
    joint, labels = random_joint(1)
    clean = value_and_grads(joint_loss, options, joint, labels)
    encoded, predicted, *rest = (x.copy() for x in joint)
    for i in range(ROWS):
        encoded[i, NUM_FRAMES[i] :], predicted[i, NUM_LABELS[i] + 1 :] = np.nan, np.inf
        labels[i, NUM_LABELS[i] :] = -3
    dirty = value_and_grads(joint_loss, options, (encoded, predicted, *rest), labels)
    np.testing.assert_array_equal(dirty[0], clean[0])
    for x, y in zip(dirty[1], clean[1], strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_row_alone_equals_the_row_in_its_batch():
    joint, labels = random_joint(2)
    losses, grads = value_and_grads(rnnt_joint_loss, dict(blank_id=8), joint, labels)
    alone = value_and_grads(
        rnnt_joint_loss,
        dict(blank_id=8),
        (joint[0][:1], joint[1][:1], *joint[2:]),
        labels[:1],
        num_frames=NUM_FRAMES[:1],
        num_labels=NUM_LABELS[:1],
    )
    np.testing.assert_allclose(alone[0][0], losses[0], rtol=1e-6)
    for x, y in zip(alone[1][:2], grads[:2], strict=True):
        np.testing.assert_allclose(x[0], y[0], atol=1e-6)


def test_dropout_has_the_same_mask_both_ways():
    """Finite differences use the mask of the forward pass; the gradient uses the recomputed one."""
    joint, labels = random_joint(3)
    options = dict(blank_id=8, dropout=0.5, activation="tanh", block_frames=3)
    key = jax.random.key(0)
    losses, grads = value_and_grads(rnnt_joint_loss, options, joint, labels, key=key)
    again, _ = value_and_grads(rnnt_joint_loss, options, joint, labels, key=key)
    other, _ = value_and_grads(rnnt_joint_loss, options, joint, labels, key=jax.random.key(1))
    np.testing.assert_array_equal(losses, again)
    assert (losses != other)[:3].all()

    rng = np.random.default_rng(0)
    steps = [(3e-3 * rng.normal(size=x.shape)).astype(np.float32) for x in joint]

    def total(sign):
        moved = tuple(x + sign * step for x, step in zip(joint, steps, strict=True))
        losses, _ = value_and_grads(rnnt_joint_loss, options, moved, labels, key=key)
        return (WEIGHTS * np.where(WEIGHTS == 0, 0, losses)).sum(dtype=np.float64)

    slope = sum((grad * step).sum() for grad, step in zip(grads, steps, strict=True))
    np.testing.assert_allclose((total(1) - total(-1)) / 2, slope, rtol=2e-2)


def test_what_is_dropped_depends_on_no_block():
    joint, labels = random_joint(6)
    options, key = dict(blank_id=8, dropout=0.5), jax.random.key(0)
    one, three = (
        value_and_grads(rnnt_joint_loss, options | dict(block_frames=frames), joint, labels, key=key)
        for frames in (1, 3)
    )
    assert_same(one, three)


def test_dropout_keeps_the_mean():
    """The loss of an empty transcript over one frame is a function of the hidden values only."""
    rows = 4000
    encoded = np.ones((rows, 1, 8), np.float32)
    predicted, kernel, bias = np.zeros((rows, 1, 8), np.float32), np.zeros((8, 2), np.float32), np.zeros(2, np.float32)
    kernel[:, 0] = 1e-3  # within the loss's linear range: log(1 + exp(x)) - log 2 = x / 2
    lengths = np.ones(rows, np.int32), np.zeros((rows, 0), np.int32), np.zeros(rows, np.int32)
    losses = rnnt_joint_loss(encoded, predicted, kernel, bias, *lengths, blank_id=1, dropout=0.3, key=jax.random.key(0))
    hidden = (np.asarray(losses, np.float64) - np.log(2)) * 2e3
    np.testing.assert_allclose(hidden.mean(), 8, rtol=0.02)
    np.testing.assert_allclose(hidden.var(), 8 * 0.3 / 0.7, rtol=0.1)


def test_bfloat16_stays_near_and_finite():
    _, joint_loss, options = CASES["tdt"]
    joint, labels = random_joint(4)
    low = tuple(jnp.asarray(x, jnp.bfloat16) if i < 2 else x for i, x in enumerate(joint))
    found = value_and_grads(joint_loss, options, low, labels)
    exact = tuple(np.asarray(x, np.float32) for x in low)
    expected = value_and_grads(joint_loss, options, exact, labels)
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-2)
    for x, y in zip(found[1], expected[1], strict=True):
        assert np.linalg.norm(x - y) < 2e-2 * np.linalg.norm(y)


def test_eager_equals_jit():
    joint, labels = random_joint(5, rows=1)
    lengths = np.array([2]), labels[:, :1], np.array([1])
    joint = joint[0][:, :2], joint[1][:, :2], *joint[2:]
    with jax.disable_jit():
        eager = rnnt_joint_loss(*joint, *lengths, blank_id=8, block_frames=1)
    np.testing.assert_allclose(eager, rnnt_joint_loss(*joint, *lengths, blank_id=8), rtol=1e-6)


def temporary_bytes(loss, *, rows=8, frames=150, labels=40, width=640, tokens=1024, block_frames=None):
    """Returns the temporary memory that XLA allocates for the loss and its gradients; nothing is executed."""
    shapes = (rows, frames, width), (rows, labels + 1, width), (width, tokens + 1), (tokens + 1,)
    joint = tuple(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
    lengths = np.full(rows, frames), np.zeros((rows, labels), np.int32), np.full(rows, labels)
    options = {} if block_frames is None else dict(block_frames=block_frames)

    def total(joint):
        return loss(*joint, *lengths, blank_id=tokens, **options).mean()

    return jax.jit(jax.value_and_grad(total)).lower(joint).compile().memory_analysis().temp_size_in_bytes


def test_memory_is_a_tenth_of_all_at_once():
    blockwise = temporary_bytes(rnnt_joint_loss)
    assert temporary_bytes(partial(all_at_once, rnnt_loss, "relu")) > 10 * blockwise


def test_memory_does_not_grow_with_the_vocabulary_beyond_one_block():
    """What grows: logits and their gradient for one frame, and the kernel's gradient of a block and the sum."""
    small, large = (
        temporary_bytes(rnnt_joint_loss, tokens=tokens, width=64, block_frames=1) for tokens in (1024, 8192)
    )
    grown = 8192 - 1024
    assert large - small <= 4 * grown * (2 * 8 * 41 + 3 * 64)


def test_mistakes_are_one_line():
    joint, labels = random_joint()
    args = *joint, NUM_FRAMES, labels, NUM_LABELS
    with pytest.raises(ConfigError, match='unknown activation "rleu" of the joint; did you mean "relu"'):
        rnnt_joint_loss(*args, blank_id=8, activation="rleu")
    with pytest.raises(ConfigError, match="needs a random key"):
        rnnt_joint_loss(*args, blank_id=8, dropout=0.1)
    with pytest.raises(ConfigError, match="blanks at"):
        rnnt_joint_loss(*args, blank_id=9)
