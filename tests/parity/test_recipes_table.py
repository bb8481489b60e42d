"""Tests the counts of parameters in the table of NeMo's recipes against those of NeMo's files."""

import re

import numpy as np
import pytest

from jaxspeech.interop.nemo.container import WEIGHTS, NemoFile
from jaxspeech.interop.nemo.reader import read_checkpoint
from tests.parity.nemo_recipes import parameters_as_nemo
from tests.parity.reference import OWN

# Tensors of a checkpoint that are not parameters: the frontend's, batch norms' statistics, positions.
BUFFER = re.compile(r"^preprocessor\.|running_(mean|var)$|num_batches_tracked$|pos_enc\.")


@pytest.mark.parametrize("name", ["lstm_rnnt", "squeezeformer_ctc"])
def test_as_many_parameters_as_in_the_file(name):
    with NemoFile(OWN / f"{name}.nemo") as file:
        tensors = read_checkpoint(file.open(WEIGHTS))
        number = sum(np.prod(x.shape, dtype=int) for key, x in tensors.items() if not BUFFER.search(key))
        assert parameters_as_nemo(file.config()) == number
