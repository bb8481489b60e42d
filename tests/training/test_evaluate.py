"""Predictions come back by index, whatever the batches look like."""

import numpy as np

from jaxspeech.tasks.recognition import Utterances
from jaxspeech.training.evaluate import predict_all
from tests.training.toy import toy_batch


class Found:
    def __init__(self, batch: Utterances):
        self.ids = np.asarray(batch.labels)
        self.num_tokens = np.asarray(batch.num_labels)


def test_every_utterance_once_and_no_filler():
    first, second = toy_batch(0, rows=3), toy_batch(1, rows=3)
    first.index[:] = [4, 0, 2]
    second.index[:] = [3, -1, 1]
    found = predict_all(lambda variables, batch: Found(batch), {}, [first, second])
    expected = {}
    for batch in (first, second):
        for index, labels, count in zip(batch.index, batch.labels, batch.num_labels, strict=True):
            if index >= 0:
                expected[int(index)] = labels[:count].tolist()
    assert found == expected and len(found) == 5
    assert predict_all(lambda variables, batch: Found(batch), {}, []) == {}
