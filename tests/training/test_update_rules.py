"""Lion, Adafactor, Muon and the noise against float64 NumPy, written from the papers (the rest: test_optimizer.py)."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.training.gradients import add_noise
from jaxspeech.training.optimizer import build_optimizer

STEPS, RATE, DECAY = 5, 0.03, 0.1


def tree(make):
    """A matrix, a stack of two layers' matrices (one wide, one tall side), biases, and an output layer."""
    return {
        "encoder": {
            "layers": {"up": {"kernel": make((2, 4, 6)), "bias": make((2, 6))}},
            "down": {"kernel": make((6, 3))},
        },
        "decoder": {"out": {"kernel": make((3, 5))}},
    }


def run(config):
    """Makes STEPS updates; returns (final parameters in float32, initial ones, gradients)."""
    rng = np.random.default_rng(0)

    def normal(shape):
        return rng.standard_normal(shape).astype(np.float32)

    start = tree(normal)
    grads = [jax.tree.map(lambda g, s=s: g * np.float32(s), tree(normal)) for s in (3.0, 0.01, 1.0, 30.0, 0.3)]
    options = {"learning_rate": RATE, "weight_decay": DECAY, "decay_exclude": "bias$"}
    optimizer, _ = build_optimizer(options | config, steps=STEPS)
    update = jax.jit(optimizer.update)
    now, state = start, optimizer.init(start)
    for g in grads:
        updates, state = update(g, state, now)
        now = optax.apply_updates(now, updates)
    return now, start, grads


def check(config, oracle, *, rtol=2e-5):
    """Compares with `oracle(name, p, grads, decay)`, which returns an array's final value in float64."""
    now, start, grads = run(config)
    for path, end in jax.tree_util.tree_leaves_with_path(now):
        name = jax.tree_util.keystr(path, simple=True, separator="/")

        def at(tree, path=path):
            for key in path:
                tree = tree[key.key]
            return np.float64(tree)

        expected = oracle(name, at(start), [at(g) for g in grads], 0.0 if name.endswith("bias") else DECAY)
        np.testing.assert_allclose(end, expected, rtol=rtol, atol=1e-5, err_msg=name)


def test_lion():
    def oracle(name, p, grads, decay):
        m = np.zeros_like(p)
        for g in grads:
            p = p - RATE * (np.sign(0.8 * m + 0.2 * g) + decay * p)
            m = 0.95 * m + 0.05 * g
        return p

    check({"name": "lion", "beta1": 0.8, "beta2": 0.95}, oracle)


@pytest.mark.parametrize("relative", [False, True])
def test_adafactor(relative):
    def oracle(name, p, grads, decay):
        second = 0.0
        for t, g in enumerate(grads, start=1):
            b, square = 1 - t**-0.7, g**2 + 1e-30
            second = b * second + (1 - b) * square
            v = second
            if name == "encoder/down/kernel":  # two axes, both of length 3 or more
                rows, columns = second.sum(1), second.sum(0)
                v = np.outer(rows, columns) / rows.sum()
            elif name == "encoder/layers/up/kernel":
                rows, columns = second.sum(2), second.sum(1)
                v = rows[:, :, None] * columns[:, None, :] / rows.sum(1)[:, None, None]
            elif name == "decoder/out/kernel":
                v = np.outer(second.sum(1), second.sum(0)) / second.sum()
            u = g / np.sqrt(v)
            u = u / max(1.0, np.sqrt(np.mean(u**2)) / 0.9)
            size = max(np.sqrt(np.mean(p**2)), 1e-3) if relative else 1.0
            p = p - RATE * (size * u + decay * p)
        return p

    options = {"decay_rate": 0.7, "clip_threshold": 0.9, "smallest_factored": 3, "relative": relative}
    check({"name": "adafactor"} | options, oracle, rtol=1e-4)


def orthogonal(x):
    """Five steps of the Newton-Schulz iteration with Jordan's coefficients."""
    wide = x if x.shape[0] <= x.shape[1] else x.T
    wide = wide / (np.linalg.norm(wide) + 1e-8)
    for _ in range(5):
        a = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * a + 2.0315 * a @ a) @ wide
    return wide if x.shape[0] <= x.shape[1] else wide.T


def test_muon():
    def of_matrix(p, grads):
        m = np.zeros_like(p)
        for t, g in enumerate(grads, start=1):
            m = 0.9 * m + 0.1 * g
            u = orthogonal(0.9 * m / (1 - 0.9 ** (t + 1)) + 0.1 * g / (1 - 0.9**t))
            p = p - RATE * (0.2 * np.sqrt(max(p.shape)) * u + DECAY * p)
        return p

    def of_adam(p, grads, decay):
        m = v = 0.0
        for t, g in enumerate(grads, start=1):
            m, v = 0.9 * m + 0.1 * g, 0.98 * v + 0.02 * g**2
            p = p - RATE * (m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.98**t)) + 1e-8) + decay * p)
        return p

    def oracle(name, p, grads, decay):
        if name == "encoder/down/kernel":
            return of_matrix(p, grads)
        if name == "encoder/layers/up/kernel":
            return np.stack([of_matrix(p[i], [g[i] for g in grads]) for i in range(2)])
        return of_adam(p, grads, decay)

    check({"name": "muon", "beta": 0.9}, oracle, rtol=1e-4)
    values = np.linalg.svd(orthogonal(np.random.default_rng(0).standard_normal((40, 60))), compute_uv=False)
    assert values.min() > 0.6 and values.max() < 1.3  # the oracle's result is nearly orthogonal


def test_noise_has_its_size_its_start_and_its_parameters_and_repeats():
    grads = {"a": jnp.zeros((300, 300)), "b": jnp.ones(4)}
    noise = add_noise(std=0.5, decay=0.55, start_step=1, parameters="^a$", seed=3)
    states = [noise.init(grads)]
    seen = []
    for _ in range(4):
        noisy, state = noise.update(grads, states[-1])
        np.testing.assert_array_equal(noisy["b"], 1.0)
        states.append(state)
        seen.append(noisy["a"])
    np.testing.assert_array_equal(seen[0], 0.0)
    for t in (1, 2, 3):
        np.testing.assert_allclose(seen[t].std(), 0.5 / (1 + t) ** 0.275, rtol=0.02)
    assert abs(np.corrcoef(seen[1].ravel(), seen[2].ravel())[0, 1]) < 0.02
    np.testing.assert_array_equal(noise.update(grads, states[2])[0]["a"], seen[2])  # depends on the count alone


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient_noise": {"sdt": 1.0}}, "it has std, decay"),
        ({"gradient_noise": {"std": 1.0, "parameters": "encodr"}}, "gradient_noise.parameters: no parameter's name"),
        ({"name": "muon", "momentum": 0.9}, 'optimizer has no "momentum"'),
    ],
)
def test_a_wrong_option_is_one_line(options, message):
    with pytest.raises(ConfigError, match=message):
        build_optimizer({"learning_rate": 1.0} | options, steps=3)[0].init(tree(np.ones))
