import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.nn.squeeze_excite import SqueezeExcite


def make(context: int = -1):
    x = jax.random.normal(jax.random.key(0), (2, 12, 8))
    num_frames = jnp.array([12, 7])
    module = SqueezeExcite(4, context, jax.nn.swish)
    variables = module.init(jax.random.key(1), x, num_frames)
    variables = jax.tree.map(lambda w: w + 0.5, variables)
    return module, variables, x, num_frames


def by_hand(variables, x, start: int, end: int):
    params = variables["params"]
    hidden = jax.nn.swish(x[start:end].mean(0) @ params["down"]["kernel"])
    return x / (1 + np.exp(-hidden @ params["up"]["kernel"]))


def test_the_mean_is_over_real_frames() -> None:
    module, variables, x, num_frames = make()
    y = module.apply(variables, x.at[1, 7:].set(jnp.nan), num_frames)
    np.testing.assert_allclose(y[0], by_hand(variables, x[0], 0, 12), atol=1e-5)
    np.testing.assert_allclose(y[1, :7], by_hand(variables, x[1, :7], 0, 7), atol=1e-5)
    np.testing.assert_array_equal(y[1, 7:], 0)


def test_training_averages_over_a_window_and_inference_over_everything() -> None:
    module, variables, x, num_frames = make(context=5)
    everything = module.apply(variables, x, num_frames)
    np.testing.assert_allclose(everything[0], by_hand(variables, x[0], 0, 12), atol=1e-5)
    starts = set()
    for seed in range(30):
        y = module.apply(variables, x, num_frames, train=True, rngs={"dropout": jax.random.key(seed)})
        fits = [i for i in range(8) if np.allclose(y[0], by_hand(variables, x[0], i, i + 5), atol=1e-5)]
        assert len(fits) == 1
        starts |= set(fits)
        # All rows share the window; this row averages over its real frames there.
        if fits[0] < 7:
            part = by_hand(variables, x[1, :7], fits[0], min(fits[0] + 5, 7))
            np.testing.assert_allclose(y[1, :7], part, atol=1e-5)
    assert len(starts) >= 5

    short = module.clone(context=20)
    np.testing.assert_array_equal(short.apply(variables, x, num_frames, train=True), everything)
