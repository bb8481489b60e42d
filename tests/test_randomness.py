import jax
import numpy as np

from jaxspeech.randomness import bytes_of_rows, random_bytes, random_bytes_by_element, standard_normal, words_of


def test_bytes_are_uniform_and_independent() -> None:
    size = 2**20
    one = np.asarray(random_bytes(jax.random.key(0), (size,)))
    for other in (
        np.asarray(random_bytes(jax.random.key(1), (size,))),  # another key
        np.asarray(random_bytes(jax.random.fold_in(jax.random.key(0), 1), (size,))),
        np.roll(one, 1),  # neighbours, within a word and across
        np.roll(one, 4),
        np.roll(one, 1024),
    ):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(size)
    counts = np.bincount(one, minlength=256)
    chi_square = ((counts - size / 256) ** 2 / (size / 256)).sum()
    assert 150 < chi_square < 380  # 255 degrees of freedom: six standard deviations
    np.testing.assert_array_equal(one[:10], random_bytes(jax.random.key(0), (2, 5)).reshape(-1))
    for again in (False, True):
        np.testing.assert_array_equal(
            one[:99].reshape(3, 33), random_bytes_by_element(jax.random.key(0), (3, 33), again=again)
        )


def test_normal_numbers_are_normal_and_follow_from_the_key() -> None:
    size = 2**20
    one = np.asarray(standard_normal(jax.random.key(0), (size,)), np.float64)
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(one**power) - moment) < 5 * np.sqrt(spread / size)
    share = [np.mean(one < x) for x in (-3, -1, 0, 1, 3)]
    np.testing.assert_allclose(share, [0.00135, 0.15866, 0.5, 0.84134, 0.99865], atol=0.002)
    assert np.isfinite(one).all() and 4.5 < np.abs(one).max() < 5.5
    np.testing.assert_array_equal(one[:6], standard_normal(jax.random.key(0), (2, 3)).reshape(-1))
    other = np.asarray(standard_normal(jax.random.key(1), (size,)))
    assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(size)


def test_bytes_of_rows_are_those_of_their_keys():
    keys = jax.random.split(jax.random.key(0), 6)
    words = jax.vmap(words_of)(keys).reshape(2, 3, 2)
    found = bytes_of_rows(words, (3, 5))
    for row, key in enumerate(keys):
        np.testing.assert_array_equal(found[row // 3, row % 3], random_bytes(key, (3, 5)))
