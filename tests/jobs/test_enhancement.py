"""The data of enhancement: which sets are mixtures and which are pairs, what a score belongs to, and wrong recipes."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.jobs.enhancement import ENHANCEMENT
from jaxspeech.jobs.job import Placement
from tests.contract.cases import MODELS
from tests.tiny_recipe import get_config

RATE = 16000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Speech, the same with a target, and a noise."""
    folder, rng = tmp_path_factory.mktemp("enhancement"), np.random.default_rng(0)
    for name in ("a", "b", "clean", "noise"):
        soundfile.write(folder / f"{name}.wav", 0.1 * rng.standard_normal(RATE // 2), RATE)
    speech = [{"audio_filepath": f"{name}.wav", "duration": 0.5, "speaker": name} for name in "ab"]
    for name, lines in {
        "train": speech,
        "dev": speech,
        "pairs": [line | {"target_filepath": "clean.wav"} for line in speech],
        "named": [{"noisy": [line["audio_filepath"]], "clean": "clean.wav", "duration": 0.5} for line in speech],
        "noises": [{"audio_filepath": "noise.wav", "duration": 0.5}],
    }.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def data(folder, *, train="train", augment=None, sets=None, channels=1, **parts):
    config = get_config(str(folder))
    config.augment.speed, config.augment.gain_db = (1.0,), (0.0, 0.0)
    settings = config.to_dict() | {"model": MODELS["enhancement"] | {"channels": channels}} | parts
    settings["augment"] |= augment or {}
    evals = {name: str(folder / f"{path}.jsonl") for name, path in (sets or {"dev": "dev"}).items()}
    settings["data"] |= {"train": str(folder / f"{train}.jsonl"), "eval": evals}
    manifest = ENHANCEMENT.source(settings, print)
    found = ENHANCEMENT.data(settings, manifest, {}, build(settings["model"]), Placement(), print)
    return found, ENHANCEMENT.evaluation(settings, {}, build(settings["model"]))


def mixtures(folder, **more):
    return {"noise": str(folder / "noises.jsonl"), "snr_db": (0.0, 0.0)} | more


def test_sets_with_targets_are_pairs(folder):
    sets = {"dev": "dev", "quiet": "dev", "files": "pairs"}
    found, evaluation = data(
        folder,
        sets=sets,
        mixtures=mixtures(folder, sets={"quiet": {"snr_db": (40.0, 40.0)}}),
        scores={"measures": "sdr"},
    )
    for name, wanted in {"dev": 0.0, "quiet": 40.0}.items():
        batch = next(found.eval[name].batches())
        noise = batch.samples - batch.targets
        assert 10 * np.log10(np.sum(batch.targets**2) / np.sum(noise**2)) == pytest.approx(wanted, abs=0.2)
    files = next(found.eval["files"].batches())
    clean = soundfile.read(folder / "clean.wav", dtype="float32")[0]
    np.testing.assert_allclose(files.targets[0, 0, : RATE // 2], clean, atol=1e-6)
    assert not np.allclose(files.samples, files.targets)
    assert len(set(found.identities.values())) == 3
    results = evaluation.collect(files.targets, files)
    rows = {int(i): result for i, result in zip(files.index, results, strict=True) if i >= 0}
    assert next(iter(evaluation.score(rows, {}))) == "sdr"


def test_a_score_belongs_to_the_mixtures(folder):
    one, same, other = (
        data(folder, mixtures=mixtures(folder, snr_db=(snr, snr)))[0].identities["dev"] for snr in (0.0, 0.0, 5.0)
    )
    assert one == same != other


def test_pairs_are_trained_on_without_mixtures(folder):
    found, _ = data(folder, train="pairs", sets={"dev": "pairs"})
    batch = next(found.train.batches())
    assert batch.samples.shape == batch.targets.shape and (batch.num_samples[batch.index >= 0] == RATE // 2).all()
    named, _ = data(folder, train="named", sets={"dev": "named"}, pairs={"input": "noisy", "target": "clean"})
    np.testing.assert_array_equal(next(named.train.batches()).samples, batch.samples)
    with pytest.raises(
        ManifestError, match=r"data.train: none of the first examples can be used; .* no target_filepath"
    ):
        data(folder)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"augment": {"noise": {"manifest": "x"}}}, r"augment.noise would change the target too; use mixtures.noise"),
        ({"augment": {"gain_db": (-3.0, 3.0)}}, "augment.gain_db would change the ratio to the noise"),
        ({"mixtures": {"sets": {"den": {}}}}, r'mixtures.sets.den: data.eval has no set .*; did you mean "dev"'),
        ({"scores": {"measure": "sdr"}}, r'scores.measure is not a field; did you mean "measures"'),
        ({"channels": 2}, "data.train: has 1 channels, the model takes 2"),
    ],
)
def test_wrong_recipes(folder, parts, message):
    parts["mixtures"] = mixtures(folder, **parts.get("mixtures", {}))
    with pytest.raises(ConfigError, match=message):
        data(folder, **parts)
