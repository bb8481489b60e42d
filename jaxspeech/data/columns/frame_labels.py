"""The column of frame labels: the class of each frame of a recording, at any number of labels per second.

    {"audio_filepath": "a.wav", "duration": 1.0, "label": "0 0 1 1 1 0 ..."}

Labels are separated by spaces, or are a JSON list; each is the name of a class, or its number where no class has such a
name. Of a model with several classes at once, a label names all those of the frame: "0,2", and "-" for none. They cover
the recording evenly, and are brought to the model's frames: a frame is of the class that most of its time has, and of
each of several classes that has half of its time or more.
"""

import numpy as np
from jaxtyping import Float, Num

from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.frame_shares import read_labels, shares_between, snapped, truth_of
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ManifestError
from jaxspeech.manifest_lines import parse_line
from jaxspeech.text.classes import Classes


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
