"""The map of weights: stacking, copies, and every problem in one error."""

from typing import NamedTuple

import numpy as np
import pytest

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.weights.read import to_variables
from jaxspeech.interop.nemo.weights.rows import (
    TensorRow,
    conv2d,
    dense,
    depthwise,
    flattened,
    norm,
    pointwise,
    pointwise2d,
    same,
    without_padding,
)

ROWS = [
    TensorRow("enc.layers.{i}.w", "params/encoder/layers_{i}/up/kernel", pointwise),
    TensorRow("enc.layers.{i}.u", "params/encoder/tied", same),
    *norm("head", "params/head"),
]


class Shaped(NamedTuple):
    shape: tuple[int, ...]


def stacked():
    return {
        "params/encoder/layers/up/kernel": Shaped((2, 3, 4)),
        "params/encoder/tied": Shaped((5,)),
        "params/head/scale": Shaped((2,)),
    }


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal(5)
    weights = {f"enc.layers.{i}.w": rng.standard_normal((4, 3, 1)) for i in range(2)}
    return weights | {"enc.layers.0.u": shared, "enc.layers.1.u": shared, "head.weight": np.ones(2)}


def test_layers_are_stacked_or_not_as_in_the_tree(tensors):
    params = to_variables(tensors, ROWS, stacked())["params"]
    for i in range(2):
        np.testing.assert_array_equal(
            params["encoder"]["layers"]["up"]["kernel"][i], tensors[f"enc.layers.{i}.w"][..., 0].T.astype(np.float32)
        )
    np.testing.assert_array_equal(params["encoder"]["tied"], tensors["enc.layers.0.u"].astype(np.float32))
    assert params["head"]["scale"].dtype == np.float32 and "bias" not in params["head"]

    expected = stacked()
    del expected["params/encoder/layers/up/kernel"]
    expected |= {f"params/encoder/layers_{i}/up/kernel": Shaped((3, 4)) for i in range(2)}
    apart = to_variables(tensors, ROWS, expected)["params"]["encoder"]
    np.testing.assert_array_equal(apart["layers_1"]["up"]["kernel"], params["encoder"]["layers"]["up"]["kernel"][1])


def test_each_variable_is_placed_before_the_next_is_read(tensors):
    happened = []

    class Lazy:
        def __init__(self, array):
            self.array, self.shape = array, array.shape

        def __array__(self, dtype=None, copy=None):
            happened.append("read")
            return self.array

    def place(array):
        happened.append("placed")
        return array.shape

    del tensors["enc.layers.1.u"]
    lazy = {name: Lazy(tensor) for name, tensor in tensors.items()}
    params = to_variables(lazy, ROWS, stacked(), dtype=np.float16, place=place)["params"]
    assert params["encoder"]["layers"]["up"]["kernel"] == (2, 3, 4)
    assert happened == ["read", "read", "placed", *["read", "placed"] * 2]


def test_every_problem_is_in_one_error(tensors):
    del tensors["enc.layers.1.w"]
    tensors |= {"enc.layers.0.w": np.ones((9, 3, 1)), "enc.layers.2.w": np.ones((4, 3, 1)), "new": np.ones(1)}
    tensors |= {"head.bias": np.ones(2), "enc.layers.1.u": np.zeros(5)}
    with pytest.raises(ArchiveError) as caught:
        to_variables(tensors, ROWS, stacked() | {"params/other": Shaped((1,))})
    message = str(caught.value)
    assert "enc.layers.1.w is missing" in message
    assert "enc.layers.0.w has the shape [9, 3, 1]" in message
    for left_over in ("enc.layers.2.w", "new", "head.bias"):
        assert f"{left_over} has no place" in message
    assert "differs between layers" in message
    assert len(message.splitlines()) == 1


def test_a_variable_without_a_row_is_reported(tensors):
    with pytest.raises(ArchiveError, match="no tensor for params/other"):
        to_variables(tensors, ROWS, stacked() | {"params/other": Shaped((1,))})


def test_a_tensor_that_a_transform_cannot_read_is_reported(tensors):
    tensors["enc.layers.0.w"] = np.ones(3)
    with pytest.raises(ArchiveError, match=r"enc\.layers\.0\.w has the shape \[3\]"):
        to_variables(tensors, ROWS, stacked())


def test_flattened_reorders_channels_and_frequencies():
    frames = np.random.default_rng(0).standard_normal((3, 5))  # [channel, frequency]
    weight = np.random.default_rng(1).standard_normal((7, 15))  # NeMo's: over channel, then frequency
    np.testing.assert_allclose(frames.T.reshape(-1) @ flattened(3).read(weight), weight @ frames.reshape(-1))


@pytest.mark.parametrize(
    "transform, shape",
    [
        (same, (3, 4)),
        (dense, (3, 4)),
        (pointwise, (3, 4, 1)),
        (pointwise2d, (3, 4, 1, 1)),
        (depthwise, (6, 1, 5)),
        (conv2d, (6, 4, 3, 2)),
        (flattened(3), (7, 15)),
    ],
)
def test_writing_undoes_reading(transform, shape):
    tensor = np.random.default_rng(0).standard_normal(shape)
    np.testing.assert_array_equal(transform.write(transform.read(tensor)), tensor, strict=True)


def test_the_row_of_the_blank_is_written_as_zeros():
    table = np.ones((3, 2))
    written = without_padding.write(table)
    np.testing.assert_array_equal(written, [[1, 1], [1, 1], [1, 1], [0, 0]])
    np.testing.assert_array_equal(without_padding.read(written), table)
