"""The column of frame labels: the class of each frame of a recording, at any number of labels per second.

    {"audio_filepath": "a.wav", "duration": 1.0, "label": "0 0 1 1 1 0 ..."}

Labels are separated by spaces, or are a JSON list; each is the name of a class, or its number where no class has such a
name. Of a model with several classes at once, a label names all those of the frame: "0,2", and "-" for none. They cover
the recording evenly, and are brought to the model's frames: a frame is of the class that most of its time has, and of
each of several classes that has half of its time or more.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Num

from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ManifestError, did_you_mean
from jaxspeech.manifest_lines import parse_line
from jaxspeech.text.classes import Classes

NOTHING = "-"
# A number of labels per frame this close to a whole one, or to its inverse, is taken to be that: recordings are cut at
# any sample, their labels at a whole frame.
SNAP = 0.1


def frame_labels(
    manifest: Manifest,
    classes: Classes,
    *,
    frame_seconds: float,
    field: str = "label",
    multi_label: bool = False,
) -> Column:
    """Make the column; an example is usable if all its labels are classes.

    Args:
      manifest: the examples.
      classes: the classes of the model.
      frame_seconds: of the model.
      field: the field of the manifest that holds the labels.
      multi_label: whether a frame can be of several classes.
    """
    usable = np.zeros(len(manifest), bool)
    for index, line in enumerate(manifest.lines()):
        try:
            read_labels(parse_line(line).get(field), classes, field=field, multi_label=multi_label)
        except ManifestError:
            continue
        usable[index] = True

    def row(example: int, variant: Variant) -> Num[np.ndarray, "T *C"]:
        entry = manifest[example]
        given = read_labels(entry.fields.get(field), classes, field=field, multi_label=multi_label)
        shares = resampled_shares(given, variant, duration=entry.duration, frame_seconds=frame_seconds)
        return truth_of(shares, multi_label=multi_label)

    def widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return tuple((np.ceil(bucket_seconds / frame_seconds).astype(int) + 2).tolist())

    shape = (len(classes),) if multi_label else ()
    return Column(np.float32 if multi_label else np.int32, shape, widths, usable, row)


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


def resampled_shares(
    marks: Float[np.ndarray, "L C"], variant: Variant, *, duration: float, frame_seconds: float
) -> Float[np.ndarray, "T C"]:
    """Compute the share of each frame's time that each class has, in the recording as it is varied.

    After the last label it holds on; silence around the recording is of the first class.
    """
    frames = duration / frame_seconds
    rate = snapped(len(marks) / max(round(frames), 1)) / frame_seconds  # labels per second
    seconds = max(variant.at(duration) + variant.after, 0.0)
    count = int(np.ceil(seconds / frame_seconds - 1e-6))
    edges = (np.arange(count + 1) * frame_seconds - variant.before) * variant.speed * rate
    return shares_between(marks, edges, end=duration * rate)


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
