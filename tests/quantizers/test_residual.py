"""Residual vector quantization against plain loops, and how its codebooks learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.quantizers.codebook import CODEBOOKS, draw
from jaxspeech.quantizers.residual import ResidualVQ

B, T = 2, 6
LENGTHS = jnp.array([6, 4])


def frames(seed: int = 0) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), (B, T, 4)).at[1, 4:].set(jnp.nan)


def filled(module: ResidualVQ, seed: int = 7) -> dict:
    variables = module.init(jax.random.key(0), frames(), LENGTHS)
    keys = iter(jax.random.split(jax.random.key(seed), 99))
    return {
        CODEBOOKS: {
            name: {**book, "codes": jax.random.normal(next(keys), book["codes"].shape), "started": jnp.ones(1)}
            for name, book in variables[CODEBOOKS].items()
        }
    }


@pytest.mark.parametrize("groups", [1, 2])
def test_values_ids_and_commitment(groups: int) -> None:
    module = ResidualVQ(4, size=5, width=4, groups=groups)
    variables = filled(module)
    found = module.apply(variables, frames(), LENGTHS)
    books = [np.asarray(variables[CODEBOOKS][f"codebook_{i}"]["codes"], np.float64) for i in range(4)]
    each, width = 4 // groups, 4 // groups
    for b, length in enumerate(LENGTHS):
        commitment = 0.0
        for t in range(length):
            for g in range(groups):
                x = np.asarray(frames()[b, t, g * width : (g + 1) * width], np.float64)
                rest = x.copy()
                for i in range(g * each, (g + 1) * each):
                    k = ((rest - books[i]) ** 2).sum(-1).argmin()
                    assert found.ids[b, i, t] == k
                    rest = rest - books[i][k]
                    commitment += (rest**2).mean() / length
                np.testing.assert_allclose(found.values[b, t, g * width : (g + 1) * width], x - rest, atol=1e-5)
        np.testing.assert_allclose(found.commitment[b], commitment, rtol=1e-5)
    assert not found.values[1, 4:].any() and not found.ids[1, :, 4:].any()
    looked = module.apply(variables, found.ids, LENGTHS, method="lookup")
    np.testing.assert_allclose(looked, found.values, atol=1e-5)


def test_the_gradient_passes_once() -> None:
    module = ResidualVQ(3, size=5, width=4)
    variables = filled(module)
    gradient = jax.grad(lambda x: (module.apply(variables, x, LENGTHS).values * 3.0).sum())(frames())
    np.testing.assert_array_equal(gradient[0], np.full((T, 4), 3.0))
    assert not gradient[1, 4:].any()


def learnt(module: ResidualVQ, variables: dict, x: jax.Array, lengths: jax.Array = LENGTHS) -> dict:
    options = {"train": True, "mutable": [CODEBOOKS], "rngs": {"codes": jax.random.key(3)}}
    return module.apply(variables, x, lengths, **options)[1][CODEBOOKS]["codebook_0"]


def test_a_codebook_follows_its_vectors() -> None:
    module = ResidualVQ(1, size=3, width=4, decay=0.75, least=0.0)
    before = filled(module)[CODEBOOKS]["codebook_0"]
    before |= {"counts": jnp.array([4.0, 3.0, 2.0]), "sums": before["codes"] * jnp.array([[4.0], [3.0], [2.0]])}
    after = learnt(module, {CODEBOOKS: {"codebook_0": before}}, frames())
    real = np.concatenate([frames()[0], frames()[1, :4]])
    ids = ((real[:, None] - np.asarray(before["codes"])) ** 2).sum(-1).argmin(-1)
    for k in range(3):
        count = 0.75 * before["counts"][k] + 0.25 * (ids == k).sum()
        total = 0.75 * before["sums"][k] + 0.25 * real[ids == k].sum(0)
        np.testing.assert_allclose(after["counts"][k], count, rtol=1e-5)
        np.testing.assert_allclose(after["codes"][k], total / count, rtol=1e-3)


def test_unused_codes_become_vectors_of_the_batch() -> None:
    module = ResidualVQ(1, size=3, width=4, least=0.5)
    far = filled(module)[CODEBOOKS]["codebook_0"]
    far |= {"codes": far["codes"].at[2].set(100.0), "counts": jnp.array([9.0, 9.0, 0.1])}
    far |= {"sums": far["codes"] * far["counts"][:, None]}
    after = learnt(module, {CODEBOOKS: {"codebook_0": far}}, frames())
    real = np.concatenate([frames()[0], frames()[1, :4]])
    assert (np.abs(real - after["codes"][2]).max(-1) < 1e-6).any()
    np.testing.assert_allclose(after["counts"][2], 0.5)


def test_the_first_batch_starts_the_codes_and_rows_without_frames_do_not() -> None:
    """Two clusters are found, wherever they are."""
    module = ResidualVQ(1, size=2, width=4, least=0.0, decay=1.0)
    x = jnp.where(jnp.arange(T)[:, None] % 2 == 0, 5.0, -3.0) + 0.01 * frames().at[1].set(jnp.nan)
    variables = module.init(jax.random.key(0), x, LENGTHS)
    after = learnt(module, variables, x, jnp.array([6, 0]))
    np.testing.assert_allclose(np.sort(after["codes"].mean(1)), [-3.0, 5.0], atol=0.02)
    assert after["started"][0] == 1
    empty = learnt(module, variables, x, jnp.array([0, 0]))
    assert empty["started"][0] == 0 and np.isfinite(empty["codes"]).all()


def test_vectors_are_drawn_among_those_that_count() -> None:
    x = jnp.arange(8.0)[:, None]
    drawn = draw(x, jnp.arange(8) < 3, 5, jax.random.key(0))[:, 0]
    assert set(drawn.tolist()) == {0.0, 1.0, 2.0}


def test_codebooks_that_cannot_be_split() -> None:
    with pytest.raises(ConfigError, match="3 codebooks and a width of 4 cannot be split into 2 groups"):
        ResidualVQ(3, width=4, groups=2)
