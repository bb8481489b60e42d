"""Labels of frames as shares of the classes' time, at any number of labels per second.

share_c(frame) = time within the frame that class c has / time of the frame

Labels are separated by spaces, or are a JSON list; see `data.columns.frame_labels`, whose column has them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Num

from jaxspeech.errors import ManifestError, did_you_mean
from jaxspeech.text.classes import Classes

NOTHING = "-"
# A number of labels per frame this close to a whole one, or to its inverse, is taken to be that: recordings are cut at
# any sample, their labels at a whole frame.
SNAP = 0.1


def read_labels(value: Any, classes: Classes, *, field: str, multi_label: bool = False) -> Float[np.ndarray, "L C"]:
    """Read the labels of one recording: 1 for each class that each of them names.

    Raises:
      ManifestError: there are none, or one is not a class.
    """
    given = value.split() if isinstance(value, str) else value
    if not isinstance(given, list) or not given:
        raise ManifestError(f"no {field}" if value is None else f"its {field} has no labels of frames: {value!r:.60}")
    marks = np.zeros((len(given), len(classes)))
    for name in {str(label) for label in given}:
        parts = [part for part in name.split(",") if part != NOTHING] if multi_label else [name]
        numbers = [_number(part, classes, field) for part in parts]
        places = [i for i, label in enumerate(given) if str(label) == name]
        for number in numbers:
            marks[places, number] = 1
    return marks


def _number(name: str, classes: Classes, field: str) -> int:
    if name in classes.numbers:
        return classes.numbers[name]
    if name.isascii() and name.isdigit() and int(name) < len(classes):
        return int(name)
    raise ManifestError(f"{field} {name!r} is not a class of the model{did_you_mean(name, classes.names)}")


def shares_between(
    marks: Float[np.ndarray, "L C"], edges: Float[np.ndarray, " E"], *, end: float
) -> Float[np.ndarray, "F C"]:
    """Compute the shares between consecutive edges, which are places in the sequence of labels, up to `end`."""
    last = max(int(np.ceil(end)), len(marks))
    silence = np.zeros((1, marks.shape[1]))
    silence[0, 0] = 1
    whole = np.concatenate([marks, np.repeat(marks[-1:], last - len(marks), 0)])
    sums = np.concatenate([silence * 0, np.cumsum(whole, 0)])
    inside = np.clip(edges, 0, end)
    low = np.minimum(inside.astype(int), last - 1)
    integral = sums[low] + (inside - low)[:, None] * whole[low]
    length = np.maximum(np.diff(edges), 1e-9)[:, None]
    outside = np.diff(edges)[:, None] - np.diff(inside)[:, None]
    return (np.diff(integral, axis=0) + outside * silence) / length


def resampled(labels: Sequence[int] | Int[np.ndarray, " L"], count: int) -> Int[np.ndarray, " T"]:
    """Bring the labels of a recording to `count` frames, in either direction; see `snapped`."""
    numbers = np.asarray(labels)
    return last_argmax(shares_of_frames(np.eye(int(numbers.max(initial=0)) + 1)[numbers], count))


def shares_of_frames(marks: Float[np.ndarray, "L C"], count: int) -> Float[np.ndarray, "T C"]:
    """Compute the share of the time of each of `count` frames that each class has, in a recording as it is."""
    ratio = snapped(len(marks) / max(count, 1))
    return shares_between(marks, np.arange(count + 1) * ratio, end=count * ratio)


def truth_of(shares: Float[np.ndarray, "T C"], *, multi_label: bool) -> Num[np.ndarray, "T *C"]:
    """The class of each frame; of several classes at once, 1 for each that has half of the frame's time or more."""
    return (shares >= 0.5).astype(np.float32) if multi_label else last_argmax(shares).astype(np.int32)


def snapped(ratio: float) -> float:
    """Round a number of labels per frame to a whole one, or to the inverse of one, if it is close to that."""
    up = ratio >= 1
    value = ratio if up else 1 / max(ratio, 1e-9)
    whole = max(round(value), 1)
    if abs(value - whole) > SNAP * whole:
        return ratio
    return float(whole) if up else 1 / whole


def last_argmax(shares: Float[np.ndarray, "T C"]) -> Int[np.ndarray, " T"]:
    """The class with the greatest share; of equal ones the last, as NeMo's mean of 0.5 is speech."""
    rounded = shares.round(6)
    return shares.shape[1] - 1 - rounded[:, ::-1].argmax(1)
