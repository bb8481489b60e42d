"""The training package names no field of a batch except its index, because it serves every task."""

import re
from pathlib import Path

import pytest

import jaxspeech.training

FILES = sorted(Path(jaxspeech.training.__file__).parent.glob("*.py"))
# Whole words, or parts of names such as num_samples.
OF_SOME_TASK = re.compile(r"(?<![a-z])(labels?|samples?|texts?|tokenizers?|wer)(?![a-z])", re.IGNORECASE)

# Functions of pathlib and of TensorBoard's writer.
OF_LIBRARIES = ("read_text", "write_text", "add_text")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_file_of_training_names_fields_of_some_tasks(file):
    source = file.read_text()
    for name in OF_LIBRARIES:
        source = source.replace(name, "")
    found = list(OF_SOME_TASK.finditer(source))
    assert not found, [source[max(m.start() - 30, 0) : m.end() + 30] for m in found]
