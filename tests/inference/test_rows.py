"""Rows of predictions from fake models: their order, the batches, and batches that do not fit in memory."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from jaxspeech.errors import AudioError, ManifestError
from jaxspeech.inference import read_ahead
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.rows import Strategy, first_that_fits, in_order, predicted_rows

RATE = 100


def recording(seconds: float, value: float = 0.0) -> Recording:
    return Recording(f"{seconds} s", np.full(round(seconds * RATE), value, np.float32))


def means(shape: Shape, audio: Mapping[int, np.ndarray]) -> tuple[dict[str, np.ndarray], str]:
    """A prediction with the filler rows of the shape."""
    found = [audio[i].mean() for i in shape.indices]
    return {"mean": np.array(found + [np.nan] * (shape.rows - len(found)))}, ""


def at_most(seconds: float, *, rows: int = 100, how: str = "") -> Strategy:
    def start(shape: Shape, audio: Mapping[int, np.ndarray]) -> tuple[Any, str]:
        if shape.length > seconds * RATE or shape.rows > rows:
            raise AudioError(f"{shape.rows} of {shape.length / RATE:g} s do not fit; make them shorter")
        return means(shape, audio)[0], how

    return Strategy(start)


def rows_of(recordings: Any, *strategies: Strategy, **options: Any) -> list:
    wanted = Wanted(**options)
    return list(predicted_rows(recordings, strategies, wanted, sample_rate=RATE))


def test_each_row_is_that_of_its_recording_in_the_order_of_the_inputs() -> None:
    seconds = [1.0, 30.0, 2.0, 0.7, 30.0, 1.1]
    recordings = [recording(s, 0.01 * i) for i, s in enumerate(seconds)]
    found = rows_of(recordings, Strategy(means), batch_size=3)
    assert [row.recording for row in found] == recordings
    assert [len(row.samples) for row in found] == [round(s * RATE) for s in seconds]
    np.testing.assert_allclose([row.prediction["mean"] for row in found], 0.01 * np.arange(6), rtol=1e-5)
    assert all(row.note is None and row.error is None for row in found)


def test_what_does_not_fit_together_is_done_one_by_one() -> None:
    recordings = [recording(1.0, 0.1), recording(1.0, 0.2), recording(1.0, 0.3)]
    found = rows_of(recordings, at_most(60, rows=1), batch_size=3)
    np.testing.assert_allclose([row.prediction["mean"] for row in found], [0.1, 0.2, 0.3], rtol=1e-5)


def test_strategies_are_tried_in_order_and_the_note_says_why_the_first_was_not_it() -> None:
    strategies = at_most(5), at_most(10, how="in one way"), Strategy(lambda *given: (means(*given)[0], "in another"))
    notes = [row.note for row in rows_of([recording(s) for s in (4, 8, 12)], *strategies)]
    assert notes == [
        None,
        "in one way (1 of 8 s do not fit)",
        "in another (1 of 12 s do not fit)",
    ]
    wanted = Wanted(batch_size=2)
    short, long = predicted_rows(
        [recording(39), recording(41)], [at_most(60)], wanted, sample_rate=RATE, long=[at_most(60, how="as a long one")]
    )
    assert (short.note, long.note) == (None, "as a long one (as asked for)")
    [asked] = rows_of([recording(8)], at_most(10, how="in one way"))
    assert asked.note == "in one way (as asked for)"


def test_the_last_error_is_the_recordings_own() -> None:
    recordings = [recording(1.0), recording(30.0), recording(2.0)]
    short, bad, other = rows_of(recordings, at_most(5), at_most(10), on_error="skip")
    assert short.error is other.error is None
    assert str(bad.error) == "30.0 s: 1 of 32 s do not fit; make them shorter" and bad.prediction is None
    rows = predicted_rows(recordings, [at_most(5)], Wanted(), sample_rate=RATE)
    assert next(rows).error is None
    with pytest.raises(AudioError, match=r"^30\.0 s: 1 of 32 s"):
        next(rows)


def test_a_strategy_for_one_recording_gets_one_at_a_time() -> None:
    shapes = []

    def start(shape: Shape, audio: Mapping[int, np.ndarray]) -> tuple[Any, str]:
        shapes.append(shape.rows)
        return means(shape, audio)

    found = rows_of([recording(1.0, 0.1), recording(1.0, 0.2)], Strategy(start, alone=True))
    assert shapes == [1, 1]
    np.testing.assert_allclose([row.prediction["mean"] for row in found], [0.1, 0.2], rtol=1e-5)
    with pytest.raises(AudioError):
        first_that_fits([Strategy(start, alone=True)], Shape((0, 1), 2, RATE), {})


def test_what_is_too_short_or_cannot_be_read_has_no_prediction() -> None:
    recordings = [recording(0.05), Recording("gone", problem="gone: is not there"), recording(1.0)]
    rows = predicted_rows(recordings, [Strategy(means)], Wanted(on_error="skip"), sample_rate=RATE, shortest=8.0)
    short, gone, good = rows
    assert short.prediction is short.error is None and len(short.samples) == 5
    assert isinstance(gone.error, ManifestError) and len(gone.samples) == 0
    assert good.prediction is not None


def test_the_next_batch_is_started_before_this_one_is_collected() -> None:
    """The prediction is an array-like that records when it is collected."""
    events = []

    class Late:
        def __init__(self, name: int):
            self.name = name

        def __array__(self, *given: Any, **options: Any) -> np.ndarray:
            events.append(("collected", self.name))
            return np.array([float(self.name)])

        @property
        def shape(self) -> tuple[int, ...]:
            return (1,)

    def start(shape: Shape, audio: Mapping[int, np.ndarray]) -> tuple[Any, str]:
        events.append(("started", shape.indices[0]))
        return Late(shape.indices[0]), ""

    found = rows_of([recording(1.0), recording(4.0), recording(16.0)], Strategy(start))
    assert [float(row.prediction) for row in found] == [0, 1, 2]
    assert events.index(("started", 1)) < events.index(("collected", 0))
    assert events.index(("started", 2)) < events.index(("collected", 1))


def test_recordings_are_read_ahead_in_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()

    class Slow:
        shape = (RATE,)

        def __array__(self, *given: Any, **options: Any) -> np.ndarray:
            threads.add(threading.current_thread())
            time.sleep(0.01)
            return np.full(RATE, 0.5, np.float32)

    rows_of([Recording(str(i), Slow()) for i in range(8)], Strategy(means))
    assert len(threads) > 1 and threading.main_thread() not in threads


def test_windows_are_bounded_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "WINDOW_SECONDS", 10.0)
    recordings = [Recording(str(i)) for i in range(20)]
    windows = read_ahead.read_windows(recordings, lambda _: np.zeros(5 * 100), sample_rate=100)
    assert [[r for r, _ in window] for window in windows] == [recordings[i : i + 4] for i in range(0, 20, 4)]


def test_in_order_holds_back_what_comes_early() -> None:
    def results():
        for i in (2, 0, 1, 3):
            yield i, str(i)

    assert list(in_order(results())) == ["0", "1", "2", "3"]
