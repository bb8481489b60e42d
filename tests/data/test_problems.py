"""Unusable examples: how many stop a run, and what the one line says."""

import pytest

from jaxspeech.data.problems import MOST_FAILED_LOADS, Problems
from jaxspeech.errors import ManifestError


def found(count, *, why="no such file", **options):
    problems = Problems(report=lambda line: None, **options)
    for i in range(count):
        problems.add(f"{i}.wav", f"{i}.wav: {why}")
    return problems


@pytest.mark.parametrize(
    ("count", "total", "stops"),
    [
        (8, 8, True),
        (10, 10, True),
        (9, 10, True),
        (1, 1, True),
        (4, 5, True),
        (3, 4, False),  # at most three quarters of a small set
        (10, 14, False),
        (11, 100, True),
        (50, 1000, False),
        (51, 1000, True),
    ],
)
def test_too_many_stop_the_run(count, total, stops):
    problems = found(count)
    if not stops:
        return problems.check(total)
    with pytest.raises(ManifestError, match=f"^{count} of {total} examples are unusable"):
        problems.check(total)


def test_the_line_names_the_set_and_the_commonest_reason():
    problems = found(1, why="not audio", name="data.eval.dev")
    for i in range(2, 9):
        problems.add(f"/x/{i}.wav", f"/x/{i}.wav: ends after {i / 2:.2f} s of the 9.00 s in its manifest")
    with pytest.raises(ManifestError) as caught:
        problems.check(9)
    assert str(caught.value) == (
        "data.eval.dev: 8 of 9 examples are unusable (the limit in a small set is 75%); most often, 7 times: "
        "/x/2.wav: ends after 1.00 s of the 9.00 s in its manifest"
    )


@pytest.mark.parametrize("total", [6, 10**6])
def test_a_process_that_loads_nothing_but_unusable_examples_stops(total):
    """One of two processes sees half of a set in an epoch, and of a large set it need not see all."""
    problems, loads = found(3), 0
    with pytest.raises(ManifestError, match=rf"none of the first 3 of {total} .*3 times: 0\.wav: no such file"):
        while loads < 1000:
            problems.failed(total)
            loads += 1
    assert loads + 1 == min(total, MOST_FAILED_LOADS)
    problems = found(3)
    problems.loaded()
    for _ in range(1000):
        problems.failed(total)  # one example was usable


def test_a_trial_stops_where_more_than_three_quarters_fail():
    found(12).check_tried(12, 16)
    with pytest.raises(
        ManifestError, match=r"^13 of 16 examples, read before the first step, are unusable; most often"
    ):
        found(13).check_tried(13, 16)
