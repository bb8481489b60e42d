"""Residual vector quantization: each codebook quantizes what the ones before it left over (Zeghidour et al., 2021).

r_1 = x,    q_i = the code nearest to r_i,    r_{i+1} = r_i - q_i,    value = q_1 + q_2 + ...

With groups, the values of a frame are split, and each group has codebooks of its own (Yang et al., "HiFi-Codec", 2023).
The gradient passes the quantizer as if it were not there, once, and not once for each codebook as in NeMo. Frames are
pulled to their codes by the commitment: the sum over the codebooks of the mean of |r_i - q_i|^2 over values and frames.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.masks import length_mask, zero_padding
from jaxspeech.quantizers.codebook import CODEBOOKS, Codebook
from jaxspeech.quantizers.quantized import Quantized


class ResidualVQ(nn.Module):
    """Quantizes each frame by several codebooks, each of which gives an id.

    Attributes:
      num_codebooks: C, of all groups together; the first ids are those of the first group.
      size: number of codes of each codebook.
      width: D of the frames.
      groups: into which the values of a frame are split.
      decay, least, iterations: see `Codebook`.

    Raises:
      ConfigError: the codebooks or the values cannot be split into the groups.
    """

    num_codebooks: int
    size: int = 1024
    width: int = 128
    groups: int = 1
    decay: float = 0.99
    least: float = 2.0
    iterations: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.num_codebooks, self.size, self.width, self.groups) < 1:
            raise ConfigError("model.quantizer: num_codebooks, size, width and groups must be at least 1")
        if self.num_codebooks % self.groups or self.width % self.groups:
            raise ConfigError(
                f"model.quantizer: {self.num_codebooks} codebooks and a width of {self.width} cannot be split into "
                f"{self.groups} groups"
            )

    def setup(self) -> None:
        width = self.width // self.groups
        self.books = [
            Codebook(self.size, width, self.decay, self.least, self.iterations, name=f"codebook_{i}")
            for i in range(self.num_codebooks)
        ]

    def __call__(self, x: Float[Any, "B T D"], num_frames: Int[Any, " B"], *, train: bool = False) -> Quantized:
        """Quantizes frames; values and ids are zero beyond a row's own.

        With `train` the codebooks follow the frames, if the collection "codebooks" is mutable; the random stream is
        "codes".
        """
        moves = train and self.is_mutable_collection(CODEBOOKS) and not self.is_initializing()
        x = zero_padding(x, num_frames)
        still, real = jax.lax.stop_gradient(x), length_mask(num_frames, x.shape[1])
        values, ids, commitment = [], [], jnp.zeros(x.shape[0], jnp.float32)
        for group, books in zip(jnp.split(x, self.groups, -1), self._of_groups(), strict=True):
            rest, left = group, jax.lax.stop_gradient(group)
            for book in books:
                if moves:
                    book.start(left, real)
                found = book.find(left)
                code = zero_padding(book.lookup(found), num_frames)
                if moves:
                    book.follow(left, found, real)
                away = jnp.square(rest - code).mean(-1).sum(1)
                commitment += away / jnp.maximum(num_frames, 1)
                rest, left = rest - code, left - code
                ids.append(jnp.where(real, found, 0))
            values.append(jax.lax.stop_gradient(group) - left)
        value = jnp.concatenate(values, -1)
        return Quantized(x + (value - still), jnp.stack(ids, 1), commitment)

    def lookup(self, ids: Int[Any, "B C T"], num_frames: Int[Any, " B"]) -> Float[Array, "B T D"]:
        """Returns the values of ids; zero beyond a row's frames."""
        places = iter(ids.swapaxes(0, 1))
        values = [sum(book.lookup(next(places)) for book in books) for books in self._of_groups()]
        return zero_padding(jnp.concatenate(values, -1), num_frames)

    def _of_groups(self) -> list[Sequence[Codebook]]:
        each = self.num_codebooks // self.groups
        return [self.books[i : i + each] for i in range(0, self.num_codebooks, each)]
