"""Files in the layout of NeMo's 1.0 betas, in which each section has `cls` and `params`."""

import io

import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.container import WEIGHTS
from jaxspeech.interop.nemo.old_layout import in_present_layout
from jaxspeech.interop.nemo.plain_yaml import CONFIG, parse_yaml, to_yaml
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.interop.nemo.writer import write_checkpoint
from jaxspeech.text.classes import Classes
from tests.interop.forge import tar, untar
from tests.interop.random_model import CHARACTERS, random_archive, random_variables
from tests.pipelines.frame_model import MODEL as FRAMES
from tests.pipelines.speaker_model import speaker_archive
from tests.surgery.test_classes import MODEL as CLIPS


def in_old_layout(section, *, key="cls"):
    """The same section with its class as `cls` (or `target`) and its arguments in `params`."""
    fields = {k: in_old_layout(v, key=key) if isinstance(v, dict) else v for k, v in section.items()}
    if "_target_" not in fields:
        return fields
    return {key: fields.pop("_target_"), "params": fields}


JASPER = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 8},
    "encoder": {"name": "jasper", "blocks": [{"filters": 8, "kernel": 3, "separable": True, "residual": True}]},
    "decoder": {"name": "ctc"},
    "spec_augment": {"cutout_masks": 5},
}


WEIGHTED = {"class_weights": (0.5, 1.7)}
CLASSIFIERS = {
    "commands": Archive(CLIPS | WEIGHTED, {"classes": Classes(["no", "yes"])}, random_variables(CLIPS), {}),
    "frames": Archive(FRAMES | WEIGHTED, {"classes": Classes(["no", "yes"])}, random_variables(FRAMES), {}),
    "speakers": speaker_archive(),
}
ARCHIVES = {"ctc": random_archive(JASPER, CHARACTERS)} | CLASSIFIERS
# In files of the time, a spectrogram of another length than these frames was cut or padded when training.
CROP = {"cls": "nemo.collections.asr.modules.CropOrPadSpectrogramAugmentation", "params": {"audio_length": 128}}


@pytest.mark.parametrize(("name", "key"), [("ctc", "target"), *((name, "cls") for name in ARCHIVES)])
def test_a_model_in_the_old_layout_is_the_same_model(tmp_path, name, key):
    save_nemo(tmp_path / "new.nemo", **ARCHIVES[name]._asdict())
    members = untar((tmp_path / "new.nemo").read_bytes())
    config = parse_yaml(members[CONFIG])
    old = {k: in_old_layout(v, key=key) if isinstance(v, dict) else v for k, v in config.items()}
    assert set(old["encoder"]) == {key, "params"} and old["target"] == config["target"]
    (tmp_path / "old.nemo").write_bytes(tar(members | {CONFIG: to_yaml(old | {"crop_or_pad_augment": CROP})}))
    found, expected = load_nemo(tmp_path / "old.nemo"), load_nemo(tmp_path / "new.nemo")
    assert found.model == expected.model
    found.metadata["nemo_config"].pop("crop_or_pad_augment")
    assert found.metadata["nemo_config"] == expected.metadata["nemo_config"]
    np.testing.assert_equal(found.variables, expected.variables)
    assert found.assets.keys() == expected.assets.keys()
    if name in CLASSIFIERS:
        assert found.assets["classes"].names == ARCHIVES[name].assets["classes"].names


def load_changed(folder, archive, *, weight, loss):
    """Loads the archive from a .nemo file with these weights in its checkpoint and in its configuration."""
    save_nemo(folder / "m.nemo", **archive._asdict())
    members = untar((folder / "m.nemo").read_bytes())
    config = parse_yaml(members[CONFIG])
    config["loss"]["weight"] = loss
    tensors = {name: np.asarray(x) for name, x in read_checkpoint(io.BytesIO(members[WEIGHTS])).items()}
    assert [name for name in tensors if name.startswith("loss.")] == ["loss.weight"]
    checkpoint = io.BytesIO()
    write_checkpoint(checkpoint, (tensors | {"loss.weight": np.array(weight, np.float32)}).items())
    (folder / "m.nemo").write_bytes(tar({CONFIG: to_yaml(config), WEIGHTS: checkpoint.getvalue()}))
    return load_nemo(folder / "m.nemo")


@pytest.mark.parametrize("name", ["commands", "frames"])
def test_class_weights_are_those_of_the_checkpoint(tmp_path, name):
    """With "auto" they are in no other place; and NeMo restores those, whatever the configuration says."""
    archive = ARCHIVES[name]
    found = load_changed(tmp_path, archive, weight=[0.25, 3.0], loss="auto")
    assert found.model["class_weights"] == (0.25, 3.0) and found.assets["classes"].weights == (0.25, 3.0)
    assert load_changed(tmp_path, archive, weight=[0.25, 3.0], loss=[1.0, 2.0]).model["class_weights"] == (0.25, 3.0)
    assert "class_weights" not in load_changed(tmp_path, archive, weight=[1.0, 1.0], loss=None).model
    # More digits than the checkpoint has stay.
    assert load_changed(tmp_path, archive, weight=[0.5, 1.7], loss=[0.5, 1.7]).model["class_weights"] == (0.5, 1.7)
    for wrong in ([1.0], [1.0, -2.0], [np.nan, 1.0]):
        with pytest.raises(ArchiveError, match=r"m\.nemo: loss\.weight: not 2 numbers, 0 or more, one for each class$"):
            load_changed(tmp_path, archive, weight=wrong, loss="auto")
    save_nemo(tmp_path / "again.nemo", **found._asdict())
    assert load_nemo(tmp_path / "again.nemo").model == found.model


def test_a_present_layout_does_not_change():
    config = {
        "target": "nemo.collections.asr.models.EncDecCTCModel",
        "labels": ["a"],
        "encoder": {"_target_": "nemo.X", "jasper": [{"cls": 1}], "cls": "kept"},
        "train_ds": {"params": 3},
    }
    assert in_present_layout(config) == config
