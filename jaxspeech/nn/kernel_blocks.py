"""Blocks of frames within the GPU kernels of attention: loads, stores and calls.

Frames need not be a multiple of a block: what lies beyond them is read as 0 and never written.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array, Float, Int8, UInt32

from jaxspeech.randomness import byte_at


class Settings(NamedTuple):
    """What the kernels are compiled for.

    Attributes:
      dropped: of 256 weights, this many are dropped.
      block: frames of a block of queries or keys.
      interpret: run anywhere, slowly.
    """

    dropped: int = 0
    block: int = 64
    interpret: bool = False


class Inputs(NamedTuple):
    """What attention depends on.

    Attributes:
      seed: the two words of the dropout's key; for a kernel also the index of the first row among all rows.
      query, key, value: q, k, v.
      bias_u, bias_v: u, v.
      positions: p; that of the distance t - s is in row T + s - t; W = 2 T.
      mask: 1 where a query may attend to a key; S frames are at least T, a multiple of 8, and the rest is 0.
    """

    seed: UInt32[Array, " N"]
    query: Float[Array, "B T H K"]
    key: Float[Array, "B T H K"]
    value: Float[Array, "B T H K"]
    bias_u: Float[Array, "H K"]
    bias_v: Float[Array, "H K"]
    positions: Float[Array, "H W K"]
    mask: Int8[Array, "#B S S"]


class Place(NamedTuple):
    """The block of frames and the head that a program computes.

    Attributes:
      first: first frame of the block (or row of the positions).
      frames: T.
      heads: H.
      scale: 1 / sqrt(K).
    """

    first: Any
    head: Any
    row: Any
    frames: int
    heads: int
    scale: float
    settings: Settings

    @property
    def block(self) -> int:
        return self.settings.block

    @property
    def blocks(self) -> int:
        """Blocks that hold all frames."""
        return -(-self.frames // self.block)

    @property
    def reached(self) -> Any:
        """The first row of the positions that the block's queries need; they need `blocks` + 1 blocks from there."""
        return self.frames - self.first - self.block + 1

    def rows(self, ref: Any, first: Any, *, row: Any = None) -> Any:
        """Loads a block of frames [block, K]; of a reference with an axis of recordings, from one of them."""
        real = (first + jnp.arange(self.block) < self.frames)[:, None]
        block = pl.ds(first, self.block), slice(None)
        return plgpu.load(ref.at[block if row is None else (row, *block)], mask=real, other=0)

    def positions(self, ref: Any, distance: Any) -> Any:
        """Loads a block of rows of the positions [block, K]."""
        shape = (self.block, ref.shape[1])
        place = distance + jax.lax.broadcasted_iota(jnp.int32, shape, 0)
        real = (place >= 0) & (place < 2 * self.frames)
        index = jnp.where(real, place, 0), jax.lax.broadcasted_iota(jnp.int32, shape, 1)
        return plgpu.load(ref.at[index], mask=real, other=0)

    def store_rows(self, ref: Any, first: Any, values: Any, size: int | None = None) -> None:
        real = (first + jnp.arange(self.block) < (self.frames if size is None else size))[:, None]
        plgpu.store(ref.at[pl.ds(first, self.block), :], values.astype(ref.dtype), mask=real)

    def scalars(self, ref: Any, first: Any) -> Any:
        """Loads one number for each query of a block."""
        real = first + jnp.arange(self.block) < self.frames
        return plgpu.load(ref.at[pl.ds(first, self.block)], mask=real, other=0)

    def store_scalars(self, ref: Any, first: Any, values: Any) -> None:
        real = first + jnp.arange(self.block) < self.frames
        plgpu.store(ref.at[pl.ds(first, self.block)], values, mask=real)

    def pairs(self, ref: Any, query: Any, key: Any) -> Any:
        """Loads what belongs to a block of queries and one of keys, [block, block]."""
        place, real = self._of_pairs(ref, query, key)
        return plgpu.load(place, mask=real, other=None if real is None else 0)

    def store_pairs(self, ref: Any, query: Any, key: Any, values: Any) -> None:
        place, real = self._of_pairs(ref, query, key)
        plgpu.store(place, values, mask=real)

    def skewed(self, query: Any, distance: Any) -> tuple[tuple[Any, Any], Any]:
        """Returns the (query, key) of a block of queries and one of rows of the positions, and which of them exist."""
        shape = (self.block, self.block)
        query = query + jax.lax.broadcasted_iota(jnp.int32, shape, 0)
        key = query - self.frames + distance + jax.lax.broadcasted_iota(jnp.int32, shape, 1)
        real = (query < self.frames) & (key >= 0) & (key < self.frames)
        return (query, key), real

    def scores(self, refs: Any, query: Any, key: Any, first_query: Any, first_key: Any) -> tuple[Any, Any]:
        """Returns the scores of a block of queries and one of keys, and which of them count."""
        position = self.pairs(refs["scores"], first_query, first_key)
        visible = self.pairs(refs["mask"], first_query, first_key) != 0
        return (plgpu.dot(query, key.T) + position.astype(jnp.float32)) * self.scale, visible

    def kept(self, seed: Any, query: Any, key: Any, size: int) -> Any:
        """Returns the factors of `dropout` for weights [B H S S] of this size, the same as outside of a kernel."""
        if not self.settings.dropped:
            return 1.0
        shape = (self.block, self.block)
        row = ((seed[2] + self.row.astype(jnp.uint32)) * self.heads + self.head.astype(jnp.uint32)) * size
        query = (query + jax.lax.broadcasted_iota(jnp.int32, shape, 0)).astype(jnp.uint32)
        key = (key + jax.lax.broadcasted_iota(jnp.int32, shape, 1)).astype(jnp.uint32)
        place = (row + query) * jnp.uint32(size) + key
        byte = byte_at(place, seed[0], seed[1])
        kept = byte.astype(jnp.int32) >= self.settings.dropped
        return kept.astype(jnp.float32) * (256 / (256 - self.settings.dropped))

    def _of_pairs(self, ref: Any, query: Any, key: Any) -> tuple[Any, Any]:
        """Returns the block, and which of its pairs there are; None for all."""
        real, size = None, ref.shape[-1]
        if size % self.block:
            real = (query + jnp.arange(self.block) < size)[:, None] & (key + jnp.arange(self.block) < size)[None, :]
        return ref.at[pl.ds(query, self.block), pl.ds(key, self.block)], real


# The axes of each kind of array; those that a program has one index of are not among its own.
def _spec(name: str, shape: tuple[int, ...], together: int) -> pl.BlockSpec:
    rows = together or None
    match name, len(shape):
        case "seed", _:
            return pl.BlockSpec(shape, lambda i, h, b: (0,))
        case "bias", _:
            return pl.BlockSpec((None, shape[1]), lambda i, h, b: (h, 0))
        case "positions", _:
            return pl.BlockSpec((None, *shape[1:]), lambda i, h, b: (h, 0, 0))
        case "mask", _:
            one = shape[0] == 1
            return pl.BlockSpec((None, *shape[1:]), lambda i, h, b: (0 if one else b, 0, 0))
        case _, 3:  # [B H T]
            return pl.BlockSpec((None, None, shape[2]), lambda i, h, b: (b, h, 0))
        case (("scores" | "by_scores"), _):
            return pl.BlockSpec((rows, None, *shape[2:]), lambda i, h, b: (b, h, 0, 0))
        case ("by_biases", _):
            return pl.BlockSpec((None, None, None, *shape[3:]), lambda i, h, b: (b, h, i, 0, 0))
        case "by_positions", _:
            return pl.BlockSpec((None, None, *shape[2:]), lambda i, h, b: (b, h, 0, 0))
        case _:  # [B T H K]
            return pl.BlockSpec((rows, shape[1], None, shape[3]), lambda i, h, b: (b, 0, h, 0))


def call(
    kernel: Callable[[Any, Place], None],
    arrays: dict[str, Any],
    results: dict[str, Any],
    settings: Settings,
    *,
    products: Callable[[int], int],
    operations: int = 0,
    over: int | None = None,
    together: int = 0,
) -> Any:
    """Runs a kernel for each block, head and row.

    Args:
      kernel: of the references by name, and its place.
      arrays: by name; one of them is [B T H K].
      results: arrays of the shapes and dtypes of the results, by name.
      products: number of blocks -> products of a block with another one, for each row and head.
      operations: other ones on each pair of frames, for predictions (see `targets.roofline`).
      over: frames that are divided into blocks; T if None.
      together: rows that one program computes (the references have an axis for them); 0: one.
    """
    b, t, h, k = arrays["query" if "query" in arrays else "key"].shape
    names = [*arrays, *results]

    def body(*refs: Any) -> None:
        first, head, row = (pl.program_id(axis) for axis in range(3))
        place = Place(first * settings.block, head, row, t, h, 1 / math.sqrt(k), settings)
        kernel(dict(zip(names, refs, strict=True)), place)

    body.__name__ = kernel.__name__.strip("_")
    blocks = -(-t // settings.block)
    flops = 2 * b * h * products(blocks) * settings.block**2 * k
    said = {"flops": str(flops), "operations": str(operations * b * h * (blocks * settings.block) ** 2)}
    grid = (-(-(over or t) // settings.block), h, b // (together or 1))
    return pl.pallas_call(
        body,
        grid=grid,
        in_specs=[_spec(name, x.shape, together) for name, x in arrays.items()],
        out_specs=[_spec(name, x.shape, together) for name, x in results.items()],
        out_shape=[jax.ShapeDtypeStruct(x.shape, x.dtype) for x in results.values()],
        compiler_params=plgpu.CompilerParams(num_warps=4 if k <= 64 else 8, num_stages=2),
        metadata=said,
        interpret=settings.interpret,
        name=body.__name__,
    )(*arrays.values())
