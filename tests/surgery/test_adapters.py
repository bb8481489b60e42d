"""Chooses adapters of a model by name."""

import jax
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.forms.transcribing import with_local_attention
from jaxspeech.surgery.adapters import change_adapters
from tests.contract.cases import RECOGNITION

ADAPTERS = ({"name": "noise", "width": 2}, {"name": "german", "width": 2, "enabled": False})


def test_those_that_are_named_are_applied():
    model = RECOGNITION["ctc"] | {"encoder": RECOGNITION["ctc"]["encoder"] | {"adapters": ADAPTERS}}
    archive = Archive(model, {}, {"params": {}}, {"wer": 0.1})
    for names in (("german",), ("german", "noise"), ()):
        found = change_adapters(archive, names)
        enabled = [adapter["name"] for adapter in found.model["encoder"]["adapters"] if adapter["enabled"]]
        assert sorted(enabled) == sorted(names) and found.metadata == {}
    assert archive.model["encoder"]["adapters"] == ADAPTERS
    with pytest.raises(ConfigError, match="no adapter 'germann'; did you mean \"german\""):
        change_adapters(archive, ["germann"])
    without = archive._replace(model=RECOGNITION["ctc"])
    with pytest.raises(ConfigError, match="this model has no adapters"):
        change_adapters(without, ["german"])


def test_a_transducer_has_them_in_several_parts():
    model = RECOGNITION["transducer"]
    decoder = model["decoder"] | {
        "joint_adapters": ADAPTERS[:1],
        "prediction_adapters": ({"name": "texts", "width": 3},),
    }
    found = change_adapters(Archive(model | {"decoder": decoder}, {}, {"params": {}}, {}), ["texts"]).model["decoder"]
    assert not found["joint_adapters"][0]["enabled"] and found["prediction_adapters"][0]["enabled"]
    for options, line in (
        ({"name": "a", "kind": "attention"}, "a is attention; here adapters can only be linear"),
        ({"name": "noise", "width": 2, "dropout": 0.1}, "joint_adapters: without dropout"),
    ):
        task = build(model | {"decoder": decoder | {"joint_adapters": (options,)}})
        with pytest.raises(ConfigError, match=line):
            jax.eval_shape(task.init, jax.random.key(0))


def test_a_model_whose_adapters_attend_has_no_local_form():
    for kind in ("linear", "relative"):
        adapters = ({"name": "a", "kind": kind, "width": 4},)
        model = RECOGNITION["ctc"] | {"encoder": RECOGNITION["ctc"]["encoder"] | {"adapters": adapters}}
        assert (with_local_attention(model) is None) == (kind == "relative")
