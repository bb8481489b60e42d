"""Converts .nemo files to archives and back with bitwise equal weights; NeMo, if installed, restores the result.

To run it with NeMo:

    JAXSPEECH_NEMO_PYTHON=/path/to/nemos/python python -m pytest tests/parity/test_round_trip.py
"""

import numpy as np
import pytest

from jaxspeech.archive import load_archive, save_archive
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.container import WEIGHTS, NemoFile
from jaxspeech.interop.nemo.model_config import from_nemo
from jaxspeech.interop.nemo.plain_yaml import CONFIG
from jaxspeech.interop.nemo.reader import read_checkpoint
from tests.parity.both_ways import NEMO_PYTHON, restore_with_nemo, written
from tests.parity.nemo_files import NEMO_FILES, RECOGNISERS
from tests.parity.own_models import OWN_MODELS, own_archive, random_batch


def contents(path):
    """Returns the model, the tensors, and the tokenizers' files in order, without the unique parts of their names."""
    with NemoFile(path) as file:
        others = sorted(name for name in file.names if name not in (CONFIG, WEIGHTS))
        tensors = {name: np.asarray(tensor) for name, tensor in read_checkpoint(file.open(WEIGHTS)).items()}
        _, model = from_nemo(file.config())
        contents = sorted(_plain(name[33:], file.read(name)) for name in others)
        if len(contents) > 3:  # several languages; the list for people is not spelled alike for all of them
            contents = [each for each in contents if each[0] != "vocab.txt"]
        return model, tensors, contents


def _plain(name, content):
    """The dictionaries of a voice may have any name, and their lines any order."""
    for role, names in {"heteronyms": ("heteronyms",), "dictionary": ("cmudict", "pronunciations")}.items():
        if name.removesuffix(".txt").endswith(names):
            return role, b"\n".join(sorted(content.split(b"\n")))
    return name, content


@pytest.mark.parametrize("name", NEMO_FILES)
def test_a_round_trip_is_bitwise_equal(tmp_path, name):
    save_archive(tmp_path / "x.jaxspeech", **load_nemo(NEMO_FILES[name] / f"{name}.nemo")._asdict())
    save_nemo(tmp_path / "x.nemo", **load_archive(tmp_path / "x.jaxspeech")._asdict())
    (model, tensors, files), (returned, ours, our_files) = (
        contents(NEMO_FILES[name] / f"{name}.nemo"),
        contents(tmp_path / "x.nemo"),
    )
    assert returned == model
    assert our_files == files
    assert ours.keys() == tensors.keys()
    for key, tensor in tensors.items():
        np.testing.assert_array_equal(ours[key], tensor, strict=True, err_msg=key)


@pytest.fixture(scope="module")
def restored_by_nemo(tmp_path_factory):
    """Returns the folder of the files that we wrote, their archives, and NeMo's results for them."""
    if not NEMO_PYTHON:
        pytest.skip("no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
    folder = tmp_path_factory.mktemp("written")
    archives = {name: load_nemo(RECOGNISERS[name] / f"{name}.nemo") for name in RECOGNISERS}
    archives |= {name: own_archive(name) for name in OWN_MODELS}
    for name, archive in archives.items():
        save_nemo(folder / f"{name}.nemo", **archive._asdict())
    notes = restore_with_nemo(folder, {name: random_batch(archive) for name, archive in archives.items()})
    return folder, archives, notes


@pytest.mark.parametrize("name", [*RECOGNISERS, *OWN_MODELS])
def test_nemo_restores_it_with_equal_outputs(restored_by_nemo, name):
    folder, archives, notes = restored_by_nemo
    if name.startswith("squeezeformer"):  # NeMo has no Squeezeformer after 2.2
        assert notes[name]["failed"]
        return
    assert "failed" not in notes[name], notes[name]
    found = written(archives[name], folder / f"{name}.nemo")
    if name != "fc_long_global":  # test_nemo_global_frames.py shows how NeMo differs there
        assert found.features < 1e-3 and found.layers < 1e-4 and found.outputs < 1e-4 and found.ids, found
