"""The building blocks of the tables of weights: rows, and transforms of tensors in both directions."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Transform(NamedTuple):
    """Converts NeMo's tensor to our variable, and back; one undoes the other bit for bit.

    `read` raises ValueError or IndexError for a tensor of the wrong rank.
    """

    read: Callable[[np.ndarray], np.ndarray]
    write: Callable[[np.ndarray], np.ndarray]


class TensorRow(NamedTuple):
    """A tensor of NeMo's and our variable for it.

    Attributes:
      nemo: the tensor's name; {i} stands for the number of any layer.
      ours: the variable's path; its first part is the collection.
      transform: of the values.
      columns: first and last + 1 of those of the variable that it is, along the last axis; None: it is all of it.
    """

    nemo: str
    ours: str
    transform: Transform
    columns: tuple[int, int] | None = None


def _permuted(*axes: int) -> Transform:
    back = tuple(int(axis) for axis in np.argsort(axes))
    return Transform(lambda x: x.transpose(axes), lambda x: x.transpose(back))


def _without_ones(count: int) -> Transform:
    """A linear map [out, in] that NeMo keeps as a convolution of width 1, with `count` ones after its shape."""

    def read(x: np.ndarray) -> np.ndarray:
        if x.shape[2:] != (1,) * count:
            raise ValueError("its width is not 1")
        return x.reshape(x.shape[:2]).T

    return Transform(read, lambda x: x.T.reshape(*x.T.shape, *(1,) * count))


# No change.
same = Transform(lambda x: x, lambda x: x)
# Linear [out, in] to kernel [in, out].
dense = _without_ones(0)
# Convolution of width 1, [out, in, 1], to kernel [in, out].
pointwise = _without_ones(1)
# The same in two dimensions, [out, in, 1, 1].
pointwise2d = _without_ones(2)
# Depthwise convolution [D, 1, W] to [W, D].
depthwise = Transform(lambda x: x[:, 0].T, lambda x: x.T[:, None])
# Convolution [out, in, time] to [time, in, out].
conv1d = _permuted(2, 1, 0)
# Convolution [out, in, time, frequency] to [time, frequency, in, out].
conv2d = _permuted(2, 3, 1, 0)
# Convolution [out, in, frequency, time] to [time, frequency, in, out].
image_conv = _permuted(3, 2, 1, 0)


def flattened(channels: int) -> Transform:
    """Linear over NeMo's [channels, frequency] to ours over [frequency, channels]."""

    def read(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), channels, -1).transpose(2, 1, 0).reshape(-1, len(x))

    def write(x: np.ndarray) -> np.ndarray:
        return x.reshape(-1, channels, x.shape[1]).transpose(2, 1, 0).reshape(x.shape[1], -1)

    return Transform(read, write)


def _drop_padding(x: np.ndarray) -> np.ndarray:
    if x[-1].any():
        raise ValueError("the blank's embedding is not zero")
    return x[:-1]


# An embedding without its last row, that of the blank, which stands for the start and is zero by definition.
without_padding = Transform(_drop_padding, lambda x: np.concatenate([x, np.zeros_like(x[:1])]))


def linear(
    nemo: str, ours: str, transform: Transform = dense, *, columns: tuple[int, int] | None = None
) -> list[TensorRow]:
    """The rows of a kernel and its bias."""
    return [
        TensorRow(f"{nemo}.weight", f"{ours}/kernel", transform, columns),
        TensorRow(f"{nemo}.bias", f"{ours}/bias", same, columns),
    ]


def norm(nemo: str, ours: str) -> list[TensorRow]:
    """The rows of a scale and its bias."""
    return [TensorRow(f"{nemo}.weight", f"{ours}/scale", same), TensorRow(f"{nemo}.bias", f"{ours}/bias", same)]


def linear_adapter_rows(nemo: str, ours: str) -> list[TensorRow]:
    """The rows of a linear adapter, of which NeMo numbers the modules; an activation is among them."""
    up, down = (
        TensorRow(f"{nemo}.module.{i}.weight", f"{ours}/{name}/kernel", dense) for i, name in ((1, "up"), (3, "down"))
    )
    return [*norm(f"{nemo}.module.0", f"{ours}/norm"), up, down]


def batch_norm(nemo: str, ours: str) -> list[TensorRow]:
    """The rows of a scale, its bias and the running statistics; `ours` is without the collection."""
    return norm(nemo, f"params/{ours}") + statistics(nemo, ours)


def statistics(nemo: str, ours: str) -> list[TensorRow]:
    """The rows of running statistics; `ours` is without the collection."""
    return [TensorRow(f"{nemo}.running_{name}", f"batch_stats/{ours}/{name}", same) for name in ("mean", "var")]
