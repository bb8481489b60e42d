"""Texts that end in repetitions are stopped, and cut to one of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.search.attention import attention_greedy
from jaxspeech.search.attention_beam import attention_beam
from jaxspeech.search.loops import LEAST, LONGEST, add_token, in_loop, start_runs, without_loop

RNG = np.random.default_rng(0)
END, V, MOST = 0, 40, 60


def ends_in_a_loop(text, repeats):
    """Whether the text ends with some n-gram that occurs again and again, by counting."""
    for n in range(1, LONGEST + 1):
        same = 0
        while same + n < len(text) and text[-1 - same] == text[-1 - same - n]:
            same += 1
        if same >= max(n * repeats, LEAST):
            return len(text) - same
    return None


@pytest.mark.parametrize("size", [2, 3])
def test_loops_are_those_that_counting_finds(size):
    repeats = [1, 2, 3, 2]
    # Few symbols, so that there are loops; in the last row a long n-gram.
    texts = RNG.integers(0, size, (4, 120))
    texts[3] = np.tile(np.arange(31), 4)[:120]

    def scan(runs, tokens):
        runs = add_token(runs, tokens)
        return runs, in_loop(runs, np.array(repeats))

    _, found = jax.jit(lambda ids: jax.lax.scan(scan, start_runs((4,)), ids))(jnp.asarray(texts.T))
    count = 0
    for row in range(4):
        for n in range(1, 121):
            kept = ends_in_a_loop(texts[row, :n].tolist(), repeats[row])
            count += kept is not None
            assert bool(found[n - 1, row]) == (kept is not None)
            assert without_loop(texts[row, :n], most_repeats=repeats[row]) == (n if kept is None else kept)
    assert count > 20
    assert without_loop([], most_repeats=1) == 0


def model(ids, state):
    """The first row says 1 2 3 1 2 3 ..., the second counts to 30, and both would never end before that."""
    after = jnp.array([[1 + jnp.arange(V) % 3, jnp.where(jnp.arange(V) < 30, jnp.arange(V) + 1, END)]])
    following = jnp.take_along_axis(after[0], ids, axis=1)
    return 9.0 * jax.nn.one_hot(following, V), state


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_a_row_in_a_loop_is_stopped_and_the_others_are_not(search):
    logits = 9.0 * jax.nn.one_hot(jnp.array([1, 1]), V)

    @jax.jit
    def run(most_repeats):
        options = {"end_id": END, "most_tokens": MOST, "most_repeats": most_repeats}
        if search == "greedy":
            return attention_greedy(model, logits, 0, **options)

        def select(state, parents):
            return jnp.zeros(parents.shape)

        return attention_beam(model, logits, jnp.zeros((2, 1)), select=select, beam_size=2, **options)[0]

    for repeats, expected in ((3, 15), (6, 21)):
        tokens = run(jnp.array([repeats, repeats]))
        # 1 2 3, then at least 12 tokens or so many repetitions.
        assert tokens.num_tokens.tolist() == [expected, 30]
        assert without_loop(tokens.ids[0, :expected], most_repeats=repeats) == 3
        assert tokens.ids[1, :30].tolist() == list(range(1, 31))
