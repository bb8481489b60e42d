"""A codebook that follows the vectors it stands for by moving averages (van den Oord et al., 2017, appendix A).

id = argmin_k |x - c_k|^2
n_k = decay n_k + (1 - decay) count_k;    m_k = decay m_k + (1 - decay) sum_k;    c_k = m_k / n_k

with the count and the sum of the vectors whose id is k. The first batch initialises the codes by k-means, and a code
that hardly any vector has becomes a vector of the batch (Zeghidour et al., "SoundStream", 2021). NeMo means to do the
latter too (encodec_modules.py), but leaves the averages, from which it computes the old code again.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.types import Key

# The collection of the codes and their averages, which no gradient changes.
CODEBOOKS = "codebooks"
# Added to every n_k, as a share of the sum of all.
SMOOTHING = 1e-5


class Codebook(nn.Module):
    """Finds and looks up codes; in training, moves them.

    Attributes:
      size: number of codes K.
      width: D of a code.
      decay: of the averages.
      least: a code with a lower n_k is replaced; 0: none is.
      iterations: of k-means on the first batch; 0: the codes begin as random numbers.
    """

    size: int
    width: int
    decay: float = 0.99
    least: float = 2.0
    iterations: int = 50

    def setup(self) -> None:
        shape = self.size, self.width
        bound = (6 / self.width) ** 0.5  # He et al.'s uniform initial weights

        def codes() -> Array:
            if self.iterations:
                return jnp.zeros(shape)
            return jax.random.uniform(self.make_rng("params"), shape, minval=-bound, maxval=bound)

        self.codes = self.variable(CODEBOOKS, "codes", codes)
        self.sums = self.variable(CODEBOOKS, "sums", lambda: jnp.asarray(self.codes.value))
        self.counts = self.variable(CODEBOOKS, "counts", jnp.zeros, (self.size,))
        self.started = self.variable(CODEBOOKS, "started", lambda: jnp.full((1,), float(not self.iterations)))

    def find(self, x: Float[Any, "B T D"]) -> Int[Array, "B T"]:
        """The number of the nearest code of each vector."""
        return nearest(x, self.codes.value)

    def lookup(self, ids: Int[Any, "B T"]) -> Float[Array, "B T D"]:
        """The codes of these numbers."""
        return self.codes.value[ids]

    def start(self, x: Float[Array, "B T D"], real: Bool[Array, "B T"]) -> None:
        """Initialises the codes by the first batch that has vectors."""
        if not self.iterations:
            return
        key = self.make_rng("codes")
        vectors, counted = x.reshape(-1, self.width), real.reshape(-1)

        def first(_: Any) -> tuple[Array, Array]:
            return k_means(vectors, counted, self.size, iterations=self.iterations, key=key)

        kept = self.codes.value, self.counts.value
        begins = (self.started.value[0] == 0) & counted.any()
        codes, counts = jax.lax.cond(begins, first, lambda _: kept, None)
        self.sums.value = jnp.where(begins, codes * counts[:, None], self.sums.value)
        self.codes.value, self.counts.value = codes, counts
        self.started.value = jnp.where(begins, 1.0, self.started.value)

    def follow(self, x: Float[Array, "B T D"], ids: Int[Array, "B T"], real: Bool[Array, "B T"]) -> None:
        """Moves the codes towards the vectors of a batch that they stand for."""
        vectors, counted = x.reshape(-1, self.width), real.reshape(-1)
        totals, numbers = _sums(vectors, ids.reshape(-1), counted, self.size)
        counts = self.decay * self.counts.value + (1 - self.decay) * numbers
        sums = self.decay * self.sums.value + (1 - self.decay) * totals
        smoothed = (counts + SMOOTHING) / (counts.sum() + self.size * SMOOTHING) * counts.sum()
        codes = sums / jnp.maximum(smoothed, 1e-30)[:, None]
        if self.least:
            drawn = draw(vectors, counted, self.size, self.make_rng("codes"))
            unused = counts < self.least
            codes = jnp.where(unused[:, None], drawn, codes)
            sums = jnp.where(unused[:, None], drawn * self.least, sums)
            counts = jnp.where(unused, self.least, counts)
        moves = counted.any()
        for variable, value in ((self.codes, codes), (self.sums, sums), (self.counts, counts)):
            variable.value = jnp.where(moves, value, variable.value)


def nearest(x: Float[Any, "*B D"], codes: Float[Any, "K D"]) -> Int[Array, "*B"]:
    """The number of the code with the least distance from each vector."""
    # Of |x - c|^2 the square of x is the same for all codes.
    return (jnp.square(codes).sum(-1) - 2 * x @ codes.T).argmin(-1).astype(jnp.int32)


def k_means(
    x: Float[Array, "N D"], counted: Bool[Array, " N"], clusters: int, *, iterations: int, key: Key
) -> tuple[Float[Array, "K D"], Float[Array, " K"]]:
    """Clusters the vectors that count; returns the means of the clusters and the numbers of their vectors."""

    def step(means: Array, _: Any) -> tuple[Array, Array]:
        totals, numbers = _sums(x, nearest(x, means), counted, clusters)
        return jnp.where(numbers[:, None] > 0, totals / jnp.maximum(numbers, 1)[:, None], means), numbers

    means, numbers = jax.lax.scan(step, draw(x, counted, clusters, key), length=iterations)
    return means, numbers[-1]


def draw(x: Float[Array, "N D"], counted: Bool[Array, " N"], number: int, key: Key) -> Float[Array, "K D"]:
    """Draws from the vectors that count, as few twice as possible."""
    # A random order, in which those that count come first; drawn again from the start where they are too few.
    order = jnp.argsort(jax.random.uniform(key, counted.shape) + ~counted)
    return x[order[jnp.arange(number) % jnp.maximum(counted.sum(), 1)]]


def _sums(
    x: Float[Array, "N D"], ids: Int[Array, " N"], counted: Bool[Array, " N"], size: int
) -> tuple[Float[Array, "K D"], Float[Array, " K"]]:
    """The sums and the numbers of the vectors of each id."""
    chosen = (ids[:, None] == jnp.arange(size)) & counted[:, None]
    chosen = chosen.astype(x.dtype)
    return chosen.T @ jnp.where(counted[:, None], x, 0.0), chosen.sum(0)
