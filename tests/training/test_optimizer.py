"""AdamW, NovoGrad and clipping against a few lines of float64 NumPy, from torch's documentation and the paper."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.training.gradients import clip_by_global_norm
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.update_rules import BIASES_AND_NORMS, adamw


def numpy_adamw(params, grads, *, rates, b1, b2, eps, decay, clip, decays):
    params = {name: p.astype(np.float64) for name, p in params.items()}
    m = {name: np.zeros_like(p) for name, p in params.items()}
    v = {name: np.zeros_like(p) for name, p in params.items()}
    for t, (step_grads, rate) in enumerate(zip(grads, rates, strict=True), start=1):
        norm = np.sqrt(sum(np.sum(np.square(g.astype(np.float64))) for g in step_grads.values()))
        factor = min(1.0, clip / (norm + 1e-6))
        for name in params:
            g = step_grads[name] * factor
            m[name] = b1 * m[name] + (1 - b1) * g
            v[name] = b2 * v[name] + (1 - b2) * g**2
            params[name] = params[name] * (1 - rate * decay * decays[name])
            denominator = np.sqrt(v[name]) / np.sqrt(1 - b2**t) + eps
            params[name] = params[name] - rate / (1 - b1**t) * m[name] / denominator
    return params


def test_novograd_equals_float64():
    rng = np.random.default_rng(1)
    shapes = {"kernel": (4, 3, 2), "bias": (2,)}
    params = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    options = {"name": "novograd", "beta1": 0.8, "beta2": 0.25, "weight_decay": 0.1}
    optimizer, _ = build_optimizer({"learning_rate": 0.05, **options}, steps=4)
    state, ours = optimizer.init(params), params
    exact = {name: value.astype(np.float64) for name, value in params.items()}
    m, v = dict.fromkeys(shapes, 0.0), {}
    for scale in (3.0, 0.01, 30.0, 1.0):
        grads = {name: (scale * rng.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()}
        updates, state = optimizer.update(grads, state, ours)
        ours = optax.apply_updates(ours, updates)
        for name, grad in grads.items():
            norm = np.sum(np.square(grad.astype(np.float64)))
            v[name] = 0.25 * v[name] + 0.75 * norm if name in v else norm
            m[name] = 0.8 * m[name] + grad / (np.sqrt(v[name]) + 1e-8) + 0.1 * exact[name]
            exact[name] = exact[name] - 0.05 * m[name]
    for name in shapes:
        np.testing.assert_allclose(ours[name], exact[name], rtol=1e-5)


@pytest.mark.parametrize("exclude", ["", BIASES_AND_NORMS])
def test_adamw_equals_float64(exclude):
    rng = np.random.default_rng(0)
    shapes = {"kernel": (5, 3), "bias": (3,)}
    params = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    scales = [3.0, 0.01, 1e-6, 30.0, 0.3, 1.0]  # some clipped, some not, some near eps
    grads = [{n: (s * rng.standard_normal(x)).astype(np.float32) for n, x in shapes.items()} for s in scales]
    optimizer, schedule = build_optimizer(
        {
            "learning_rate": 0.05,
            "beta2": 0.95,
            "eps": 1e-3,
            "weight_decay": 0.3,
            "clip_norm": 1.0,
            "decay_exclude": exclude,
            "schedule": {"name": "cosine", "warmup_steps": 2},
        },
        steps=6,
    )

    ours, state = params, optimizer.init(params)
    for step_grads in grads:
        updates, state = jax.jit(optimizer.update)(step_grads, state, ours)
        ours = optax.apply_updates(ours, updates)
    expected = numpy_adamw(
        params,
        grads,
        rates=[float(schedule(i)) for i in range(6)],
        b1=0.9,
        b2=0.95,
        eps=1e-3,
        decay=0.3,
        clip=1.0,
        decays={"kernel": 1.0, "bias": 0.0 if exclude else 1.0},
    )
    for name in params:
        np.testing.assert_allclose(ours[name], expected[name], rtol=1e-5, atol=1e-6)


def test_clipping_leaves_small_gradients_alone():
    clip = clip_by_global_norm(1.0)
    small, large = {"a": jnp.array([0.3, 0.4])}, {"a": jnp.array([30.0]), "b": jnp.array([40.0])}
    np.testing.assert_array_equal(clip.update(small, clip.init(small))[0]["a"], small["a"])
    clipped = clip.update(large, clip.init(large))[0]
    np.testing.assert_allclose([clipped["a"][0], clipped["b"][0]], [30 / (50 + 1e-6), 40 / (50 + 1e-6)], rtol=1e-6)


def test_decay_mask_names_biases_and_norms():
    params = {"norm": {"scale": 1.0, "bias": 1.0}, "up": {"kernel": 1.0, "bias": 1.0}, "attention": {"bias_u": 1.0}}
    params = jax.tree.map(jnp.asarray, params)
    optimizer = adamw(1.0, weight_decay=0.5, decay_exclude=BIASES_AND_NORMS)
    updates, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)
    decayed = {name for name, change in jax.tree_util.tree_leaves_with_path(updates) if change != 0}
    assert {jax.tree_util.keystr(path, simple=True, separator="/") for path in decayed} == {"up/kernel"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "adamx", "learning_rate": 1.0}, 'did you mean "adamw"'),
        ({"learning_rate": 1.0, "weight_decy": 0.1}, 'did you mean "weight_decay"'),
        ({"weight_decay": 0.1}, "needs a learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"learning_rate": -1e-3}, "learning_rate is -0.001"),
    ],
)
def test_a_wrong_config_is_one_line(config, message):
    with pytest.raises(ConfigError, match=message):
        build_optimizer(config, steps=10)
