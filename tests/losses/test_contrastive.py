"""Contrastive losses against their definition in NumPy, in edge cases too, and the draw of negatives."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.losses.contrastive import contrastive_code_loss, contrastive_loss
from jaxspeech.losses.negatives import draw_codes, draw_negatives, listed

B, T, D, N, TAU = 3, 7, 4, 3, 0.5


def cosine(x, y):
    return x @ y / (np.linalg.norm(x) * np.linalg.norm(y))


def defined(outputs, targets, drawn, masked, candidates):
    losses, found = np.zeros(masked.shape), np.zeros(masked.shape, bool)
    for b, t in np.argwhere(masked):
        places = np.flatnonzero(candidates[b])[drawn[b, t]]
        others = [cosine(outputs[b, t], targets[b, p]) for p in places if (targets[b, p] != targets[b, t]).any()]
        right = cosine(outputs[b, t], targets[b, t])
        scores = np.exp(np.array([right, *others]) / TAU)
        losses[b, t], found[b, t] = -np.log(scores[0] / scores.sum()), bool(others) and right > max(others)
    return losses, found


@jax.jit
def both(outputs, targets, drawn, masked, candidates):
    def total(outputs, targets):
        made = contrastive_loss(outputs, targets, drawn, masked, candidates=candidates, same=targets, temperature=TAU)
        return made[0].sum(), made

    return jax.grad(total, argnums=(0, 1), has_aux=True)(outputs, targets)


def test_the_loss_is_that_of_its_definition_whatever_is_masked():
    """The last row repeats a target, the second has one candidate, and the third none."""
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(2, B, T, D))
    targets[0, 5] = targets[0, 2]
    masked = np.array([[0, 1, 1, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 0], [0] * T], bool)
    counts = masked.sum(1)
    drawn = np.asarray(
        draw_negatives(jax.random.split(jax.random.key(0), B), jnp.asarray(counts), frames=T, most=T, number=N)
    )
    for candidates in (masked, np.ones_like(masked)):
        gradient, (losses, found) = both(outputs, targets, drawn, masked, candidates)
        wanted, right = defined(outputs, targets, drawn, masked, candidates)
        np.testing.assert_allclose(losses, wanted, atol=1e-5)
        np.testing.assert_array_equal(found, right)
        assert all(np.isfinite(part).all() for part in gradient)
        assert not np.any(gradient[0][~masked]) and np.any(gradient[0][0])
    # Vectors of zeros, as a decoder makes of silence.
    gradient, (losses, _) = both(0 * outputs, 0 * targets, drawn, masked, masked)
    assert np.isfinite(losses).all() and all(np.isfinite(part).all() for part in gradient)


def test_codes_as_negatives():
    rng = np.random.default_rng(1)
    codes, ids, masked = rng.normal(size=(5, 2)), rng.integers(0, 5, (B, T, 2)), rng.random((B, T)) < 0.6
    drawn = np.array(draw_codes(jax.random.split(jax.random.key(1), B), frames=T, number=N, size=5, groups=2))
    drawn[0, 0, 0] = ids[0, 0]
    outputs, masked[0, 0] = rng.normal(size=(B, T, 4)), True
    targets = codes[ids].reshape(B, T, 4)
    losses, _ = contrastive_code_loss(outputs, ids, codes, drawn, targets, masked, temperature=TAU)
    for b, t in np.argwhere(masked):
        others = [codes[code].reshape(-1) for code in drawn[b, t] if (code != ids[b, t]).any()]
        scores = np.exp([cosine(outputs[b, t], x) / TAU for x in (targets[b, t], *others)])
        np.testing.assert_allclose(losses[b, t], -np.log(scores[0] / scores.sum()), rtol=1e-5)


def test_negatives_are_drawn_without_replacement_where_there_are_enough():
    counts, most = jnp.array([2, 5, 40, 0]), 40
    keys = jax.random.split(jax.random.key(2), len(counts))
    draw = jax.jit(draw_negatives, static_argnames=("frames", "most", "number"))
    drawn = np.asarray(draw(keys, counts, frames=60, most=most, number=5))
    assert (drawn >= 0).all() and (drawn < np.maximum(counts, 1)[:, None, None]).all()
    assert all(len({*places}) == 5 for row in (1, 2) for places in drawn[row].tolist())
    # All places are as probable: 60 x 5 draws among 40.
    assert np.bincount(drawn[2].ravel(), minlength=most).max() < 25 and len(np.unique(drawn[2])) > 35
    # A row does not depend on the others, on how many frames there are, or on how long the list is.
    fewer = draw(keys[1:2], counts[1:2], frames=20, most=8, number=5)
    np.testing.assert_array_equal(fewer[0], drawn[1, :20])
    np.testing.assert_array_equal(listed(jnp.array([[False, True, False, True]])), [[1, 3, 0, 2]])
