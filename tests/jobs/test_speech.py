"""The data of text-to-mel models: symbols, pitch, speakers, what is left out, and wrong recipes."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.jobs.job import Placement
from jaxspeech.jobs.speech import SPEECH
from tests.contract.cases import MODELS
from tests.tiny_recipe import get_config

pytest.importorskip("parselmouth", reason='Praat comes with pip install -e ".[synthesis]"')
RATE, HOP = 16000, 256


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ann at 200 Hz, Bob at 100 Hz; a line that cannot be said."""
    folder = tmp_path_factory.mktemp("speech")
    times, lines = np.arange(RATE // 2) / RATE, []
    for name, hz in (("ann", 200), ("bob", 100)):
        samples = sum(np.sin(2 * np.pi * hz * k * times) / k for k in range(1, 9))
        soundfile.write(folder / f"{name}.wav", 0.2 * samples, RATE)
        lines.append({"audio_filepath": f"{name}.wav", "duration": 0.5, "text": "No 5", "speaker": name})
    lines[1]["normalized_text"] = "no six"
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, lines[0] | {"text": "…"}]))
    (folder / "dev.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def prepared(folder, *, speakers=False, **parts):
    config = get_config(str(folder))
    config.augment.speed, config.augment.gain_db = (1.0,), (0.0, 0.0)
    settings = config.to_dict() | {"model": dict(MODELS["speech"]), "front_end": {"type": "letters"}, "workdir": folder}
    settings["model"] |= {"speakers": {"number": 0}} if speakers else {}
    settings["data"] |= parts.pop("data", {})
    settings |= parts
    problems = []
    manifest = SPEECH.source(settings, problems.append)
    assets = SPEECH.assets(settings, manifest, {})
    model = SPEECH.sized(settings["model"], assets)
    found = SPEECH.data(settings, manifest, assets, build(model), Placement(), problems.append)
    return found, assets, model, problems


def test_batches_of_two_speakers(folder):
    found, assets, model, problems = prepared(folder, speakers=True)
    assert assets["speakers"].names == ("ann", "bob") and model["speakers"]["number"] == 2
    # Of the voiced frames of all three lines.
    assert assets["pitch"].mean == pytest.approx(500 / 3, abs=2)
    assert assets["pitch"].std == pytest.approx(np.std([200, 100, 200]), abs=2)
    assert model["pitch_mean"] == assets["pitch"].mean
    batch = next(found.eval["dev"].batches())
    pieces = assets["front_end"].tokenizer
    rows = zip(batch.speaker.tolist(), batch.text, batch.num_symbols, strict=True)
    texts = {speaker: pieces.decode(ids[:count]) for speaker, ids, count in rows if count}
    assert texts == {0: "no five", 1: "no six"}
    row = batch.speaker.tolist().index(1)
    pitch = batch.pitch[row, : RATE // 2 // HOP]
    assert np.median(pitch[pitch != 0]) == pytest.approx((100 - 500 / 3) / np.std([200, 100, 200]), abs=0.05)
    assert (folder / "pitch").is_dir()
    assert any("nothing in its text can be said" in line for line in problems), problems


def test_one_speaker_of_several(folder):
    found, assets, _, _ = prepared(folder, data={"speakers": ("bob",)})
    assert "speakers" not in assets and assets["pitch"].mean == pytest.approx(100, abs=2)
    batch = next(found.train.batches())
    assert (batch.index >= 0).sum() == 1 and not batch.speaker.any()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"data": {"speakers": ("bop",)}}, "no recording has the speaker 'bop'; did you mean \"bob\""),
        ({"augment": {"speed": (0.9,)}}, "augment.speed: a voice learns from recordings as they are"),
        ({"pitch": {"lowest": 3}}, "pitch.lowest is not a field"),
        ({"speakers": True, "data": {}, "scores": {}}, "no line has the field"),
    ],
)
def test_wrong_recipes(folder, tmp_path, parts, message):
    if "no line" in message:
        lines = [json.loads(line) for line in (folder / "dev.jsonl").read_text().splitlines()]
        for line in lines:
            line.pop("speaker")
            line["audio_filepath"] = str(folder / line["audio_filepath"])
        path = tmp_path / "none.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        parts = parts | {"data": {"train": str(path)}}
    with pytest.raises((ConfigError, ManifestError), match=message):
        prepared(folder, **parts)
