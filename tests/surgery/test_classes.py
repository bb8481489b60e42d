"""Tests that classes in both models keep their weights."""

import jax
import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.surgery.classes import change_classes
from jaxspeech.text.classes import Classes
from tests.interop.random_model import random_variables

MODEL = {
    "task": "classification",
    "features": {"name": "mfcc", "num_mels": 8, "num_coefficients": 8},
    "encoder": {"name": "jasper", "blocks": [{"filters": 6, "kernel": 3}]},
    "decoder": {"name": "pooled"},
    "num_classes": 2,
}


def test_classes_of_both_models_keep_their_weights():
    variables = random_variables(MODEL)
    archive = Archive(MODEL, {"classes": Classes("ab")}, variables, {"scores": {}, "source": "x"})
    assert change_classes(archive, Classes("ab")) is archive
    changed = change_classes(archive, Classes(["c", "b", "d"]), seed=2)
    assert changed.model["num_classes"] == 3 and changed.assets["classes"].names == ("c", "b", "d")
    before, after = (x.variables["params"]["decoder"]["out"] for x in (archive, changed))
    np.testing.assert_array_equal(after["kernel"][:, 1], before["kernel"][:, 1])
    assert after["kernel"].shape == (6, 3) and after["bias"].shape == (3,) and np.all(np.std(after["kernel"], 0) > 0)
    jax.tree.map(
        np.testing.assert_array_equal, changed.variables["params"]["encoder"], archive.variables["params"]["encoder"]
    )
    assert changed.metadata == {"source": "x"}
