"""Few recordings share a shape, many get their own: every recording once, and bounded padding."""

import numpy as np

from jaxspeech.inference.batching import Shape, plan_batches
from jaxspeech.inference.shape_choice import MOST_PADDING_SECONDS, ShapeChoice

RATE = 100


def chosen(choice: ShapeChoice, *seconds: float, batch_size: int = 16) -> list[Shape]:
    lengths = {i: round(s * RATE) for i, s in enumerate(seconds)}
    batches = choice.choose(plan_batches(lengths, batch_size=batch_size, sample_rate=RATE), batch_size=batch_size)
    assert sorted(i for batch in batches for i in batch.indices) == list(range(len(seconds)))
    assert [min(batch.indices) for batch in batches] == sorted(min(batch.indices) for batch in batches)
    for batch in batches:
        assert len(batch.indices) <= batch.rows <= batch_size
        assert max(lengths[i] for i in batch.indices) <= batch.length
    return batches


def shapes(batches: list[Shape]) -> set[tuple[int, int]]:
    return {(batch.rows, batch.length) for batch in batches}


def test_a_few_recordings_share_the_shape_of_the_longest() -> None:
    assert shapes(chosen(ShapeChoice(RATE), 1, 4, 7, 11, 16)) == {(1, 16 * RATE)}


def test_a_shape_is_compiled_once_its_padding_has_cost_as_much() -> None:
    choice = ShapeChoice(RATE)
    chosen(choice, 16)
    found = [shapes(chosen(choice, 7.5)) for _ in range(10)]
    borrowed = int(MOST_PADDING_SECONDS / (16 - 8))
    assert found == [{(1, 16 * RATE)}] * borrowed + [{(1, 8 * RATE)}] * (10 - borrowed)


def test_many_recordings_have_the_shapes_that_fit_them() -> None:
    seconds = np.random.default_rng(0).uniform(2, 20, 512).tolist()
    planned = plan_batches({i: round(s * RATE) for i, s in enumerate(seconds)}, batch_size=16, sample_rate=RATE)
    batches = chosen(ShapeChoice(RATE), *seconds)
    padded = [sum(batch.rows * batch.length for batch in some) / RATE for some in (planned, batches)]
    assert shapes(batches) <= shapes(planned) and len(shapes(batches)) < len(shapes(planned))
    assert padded[1] - padded[0] <= MOST_PADDING_SECONDS * (len(shapes(planned)) - len(shapes(batches)))


def test_a_known_shape_is_used_only_for_batches_that_it_may_hold() -> None:
    choice = ShapeChoice(RATE)
    assert shapes(chosen(choice, *[4.0] * 4, batch_size=4)) == {(4, 4 * RATE)}
    assert shapes(chosen(choice, 4.0, batch_size=4)) == {(4, 4 * RATE)}  # three filler rows of 4 s
    assert shapes(chosen(choice, 3.0, batch_size=1)) == {(1, 3 * RATE)}  # more rows than asked for
    assert shapes(chosen(choice, 5.0, batch_size=4)) == {(1, 5 * RATE)}  # too long


def test_long_recordings_keep_their_shapes() -> None:
    assert shapes(chosen(ShapeChoice(RATE), 300, 150, 50)) == {(1, 320 * RATE), (1, 160 * RATE), (1, 52 * RATE)}
