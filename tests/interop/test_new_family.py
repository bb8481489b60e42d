"""A family without features, encoder, decoder and tokens: its `Family` is all that reading and writing needs."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from jaxspeech.errors import ArchiveError
from jaxspeech.interop import expected_shapes
from jaxspeech.interop.nemo import families, load_nemo, model_config, save, save_nemo
from jaxspeech.interop.nemo.container import WEIGHTS, NemoFile
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Written
from jaxspeech.interop.nemo.plain_yaml import CONFIG
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.interop.nemo.sections.arguments import Argument, Required, Section, size
from jaxspeech.interop.nemo.sections.read import read_section
from jaxspeech.interop.nemo.sections.write import fields_of, write_section
from jaxspeech.interop.nemo.weights.rows import linear
from jaxspeech.text.char import CharTokenizer

GENERATORS = {
    "ToneGenerator": Section(
        "tone", (Argument("channels", "width", Required, size),), package="nemo.collections.tts.modules.tone"
    )
}


class Generator(nn.Module):
    width: int = 2
    gain: float = 1.0

    @nn.compact
    def __call__(self, x):
        return self.gain * nn.Dense(self.width, name="out")(x)


class Toner(nn.Module):
    generator: Generator

    def __call__(self, x):
        return self.generator(x)


class ToneTask(NamedTuple):
    model: Any

    def init(self, key):
        return self.model.init(key, jnp.zeros((1, 3)))


def build(model):
    fields = {key: value for key, value in model["generator"].items() if key != "name"}
    return ToneTask(Toner(Generator(**fields)))


def to_nemo(source, base, problems):
    fields = fields_of(source.module.generator)
    section = write_section(GENERATORS, base, "generator", "tone", fields, problems)
    voices = source.assets["voices"].pieces
    return Written("ToneModel", {"generator": section, "voices": "nemo:v.txt"}, {"v.txt": "\n".join(voices).encode()})


TONE = Family(
    task="tone",
    classes={"ToneModel": "tts.models.tone"},
    sections=("generator", "voices"),
    to_model=lambda config, problems: {
        "task": "tone",
        "generator": read_section(GENERATORS, config, "generator", problems),
    },
    to_nemo=to_nemo,
    assets=lambda file, config, model: {
        "voices": CharTokenizer(file.read(config["voices"].removeprefix("nemo:")).decode().split())
    },
    rows=lambda model: linear("generator.out", "params/generator/out"),
    parts={"generator": NemoPart("generator", GENERATORS)},
    derived=lambda module: {"ramp": np.arange(module.generator.width, dtype=np.float32), "old.{any}": None},
    remarks=lambda source: [f"NeMo knows no {source.assets['voices'].pieces[0]}"],
)
MODEL = {"task": "tone", "generator": {"name": "tone", "width": 4}}


@pytest.fixture
def variables(monkeypatch):
    monkeypatch.setitem(families.BY_CLASS, "ToneModel", TONE)
    monkeypatch.setitem(families.BY_TASK, "tone", TONE)
    for module in (expected_shapes, model_config, save):
        monkeypatch.setattr(module, "build", build)
    rng = np.random.default_rng(0)
    out = {"kernel": rng.standard_normal((3, 4)).astype(np.float32), "bias": np.ones(4, np.float32)}
    return {"params": {"generator": {"out": out}}}


def test_it_returns(tmp_path, variables):
    voices = CharTokenizer(["a", "b"])
    path = tmp_path / "x.nemo"
    assert save_nemo(path, model=MODEL, assets={"voices": voices}, variables=variables) == ["NeMo knows no a"]
    with NemoFile(path) as file:
        assert yaml.safe_load(file.read(CONFIG)) == {
            "target": "nemo.collections.tts.models.tone.ToneModel",
            "nemo_version": "3.0.0",
            "generator": {"_target_": "nemo.collections.tts.modules.tone.ToneGenerator", "channels": 4},
            "voices": "nemo:v.txt",
        }
        tensors = {name: np.asarray(tensor) for name, tensor in read_checkpoint(file.open(WEIGHTS)).items()}
    assert list(tensors) == ["ramp", "generator.out.weight", "generator.out.bias"]
    np.testing.assert_array_equal(tensors["ramp"], [0, 1, 2, 3])
    for stacked in (True, False):
        archive = load_nemo(path, stacked=stacked)
        assert archive.model == MODEL and archive.assets["voices"].pieces == voices.pieces
        np.testing.assert_array_equal(
            archive.variables["params"]["generator"]["out"]["kernel"], tensors["generator.out.weight"].T
        )


def test_its_problems_are_reported(tmp_path, variables):
    louder = {"task": "tone", "generator": {"name": "tone", "width": 4, "gain": 2.0}}
    with pytest.raises(ArchiveError, match=r"no counterpart of generator\.gain 2\.0 \(it would return as 1\.0\)"):
        save_nemo(tmp_path / "x.nemo", model=louder, assets={"voices": CharTokenizer(["a"])}, variables=variables)


def test_a_model_of_another_family_leaves_nothing_of_its_sections(variables):
    """It came with the configuration of a recognition model, of which only the training settings are kept."""
    base = {"target": "nemo.EncDecCTCModel", "encoder": {}, "labels": ["a"], "optim": {"name": "adamw"}}
    source = model_config.Source(MODEL, build(MODEL).model, {"voices": CharTokenizer(["a"])})
    config, _, _ = model_config.to_nemo(source, base)
    assert config["optim"] == {"name": "adamw"} and not {"encoder", "labels"} & set(config)
