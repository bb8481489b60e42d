"""Which transcripts have no path, by their lengths alone: as the loss of the same model says."""

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.tasks.frames import count_frames
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.types import Extents
from tests.contract.cases import RECOGNITION
from tests.interop.random_model import task_variables

VOCAB = 5
SAMPLES = np.array([300, 1281, 4000, 7000, 7000, 9000, 9000, 12000])


def task_of(name, **decoder):
    model = RECOGNITION[name]
    return build(model | {"decoder": model["decoder"] | {"vocab_size": VOCAB} | decoder})


def extents(labels):
    return Extents(
        {"samples": SAMPLES, "labels": np.array([len(row) for row in labels])},
        lambda field, rows: (labels[row] for row in rows),
    )


@pytest.mark.parametrize("case", ["ctc", "tdt"])
def test_the_loss_has_no_path_where_more_is_needed_than_there_is(case):
    task = task_of("ctc") if case == "ctc" else task_of("transducer", durations=(1, 2), joint_width=4)
    frames = count_frames(task.model, SAMPLES)
    assert frames[0] <= 1 < frames[3] < frames[5] < frames[7]
    rng = np.random.default_rng(0)
    lengths = [0, 2, frames[2], frames[3] - 1, frames[4], frames[5] - 1, frames[6] - 2, 3]
    labels = [rng.permutation(np.arange(length) % VOCAB).astype(np.int32) for length in lengths]
    labels[3][:] = np.arange(lengths[3]) % 2  # no equal neighbours: fits in CTC
    labels[5][:] = 1  # equal neighbours only
    needed, available = task.capacity.measure(extents(labels))
    np.testing.assert_array_equal(available, frames)

    padded = np.zeros((len(labels), max(map(len, labels)) or 1), np.int32)
    for row, ids in zip(padded, labels, strict=True):
        row[: len(ids)] = ids
    batch = Utterances(
        np.zeros((len(labels), SAMPLES.max()), np.float32),
        SAMPLES.astype(np.int32),
        padded,
        np.array(lengths, np.int32),
        np.arange(len(labels), dtype=np.int32),
    )
    variables = task_variables(task)
    losses, _ = jax.jit(task.loss)(variables, batch, jax.random.key(1))
    np.testing.assert_array_equal(np.isinf(losses), needed > available)
    assert 2 <= np.isinf(losses).sum() < len(labels)


def test_a_transducer_emits_any_number_of_labels_in_a_frame():
    for name, options in (("transducer", {}), ("hybrid", {}), ("transducer", {"durations": (0, 1, 2)})):
        needed, _ = task_of(name, **options).capacity.measure(extents([np.zeros(90, np.int32)] * len(SAMPLES)))
        assert (needed == 1).all(), (name, options)


def test_transcripts_are_encoded_only_where_their_neighbours_decide():
    asked = []
    frames = count_frames(task_of("ctc").model, SAMPLES)
    lengths = frames // 2
    lengths[-2:] = frames[-2:]

    def values(field, rows):
        asked.extend(rows.tolist())
        return (np.arange(lengths[row]) for row in rows)

    task_of("ctc").capacity.measure(Extents({"samples": SAMPLES, "labels": lengths}, values))
    assert set(asked) == {6, 7}
