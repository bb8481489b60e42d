"""Files in the layout of NeMo's 1.0 betas, in which each section has `cls` and `params`."""

import numpy as np
import pytest

from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.old_layout import in_present_layout
from jaxspeech.interop.nemo.plain_yaml import CONFIG, parse_yaml, to_yaml
from tests.interop.forge import tar, untar
from tests.interop.random_model import CHARACTERS, random_archive


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


@pytest.mark.parametrize("key", ["cls", "target"])
def test_a_model_in_the_old_layout_is_the_same_model(tmp_path, key):
    save_nemo(tmp_path / "new.nemo", **random_archive(JASPER, CHARACTERS)._asdict())
    members = untar((tmp_path / "new.nemo").read_bytes())
    config = parse_yaml(members[CONFIG])
    old = {k: in_old_layout(v, key=key) if isinstance(v, dict) else v for k, v in config.items()}
    assert set(old["encoder"]) == {key, "params"} and old["target"] == config["target"]
    (tmp_path / "old.nemo").write_bytes(tar(members | {CONFIG: to_yaml(old)}))
    found, expected = load_nemo(tmp_path / "old.nemo"), load_nemo(tmp_path / "new.nemo")
    assert found.model == expected.model and found.metadata["nemo_config"] == expected.metadata["nemo_config"]
    np.testing.assert_equal(found.variables, expected.variables)


def test_a_present_layout_does_not_change():
    config = {
        "target": "nemo.collections.asr.models.EncDecCTCModel",
        "labels": ["a"],
        "encoder": {"_target_": "nemo.X", "jasper": [{"cls": 1}], "cls": "kept"},
        "train_ds": {"params": 3},
    }
    assert in_present_layout(config) == config
