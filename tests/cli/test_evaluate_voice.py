"""jaxspeech evaluate of a voice, as a user runs it: scores, lines, a page, and mistakes in one line."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech.archive import save_archive
from jaxspeech.audio.resample import resample
from jaxspeech.cli.main import main
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.pipelines.synthesizer import Synthesizer
from tests.pipelines.toy_voice import RATE, toy_voice, toys_in_the_table

TEXTS = ["Good morning, ann.", "☃", "how do you do?", "hello there"]


@pytest.fixture(scope="module", autouse=True)
def _toys():
    with toys_in_the_table():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The recording of the first text is what the voice says; that of the third is twice as long; the last has none."""
    folder = tmp_path_factory.mktemp("voice")
    voice = toy_voice()
    params = voice.variables["params"]
    params["vocoder"]["generator"]["kernel"] = 0.02 * params["vocoder"]["generator"]["kernel"]  # within [-1, 1]
    save_archive(folder / "voice.jaxspeech", **voice._asdict())
    spoken = Synthesizer(voice).speak([TEXTS[0], TEXTS[2]])
    for number, times in ((0, 1), (2, 2)):
        samples = resample(np.tile(spoken[number // 2].samples, times), RATE, 22050)
        soundfile.write(folder / f"{number}.wav", samples, 22050, subtype="FLOAT")
    lines = [{"text": text} | ({"audio_filepath": f"{i}.wav"} if i in (0, 2) else {}) for i, text in enumerate(TEXTS)]
    (folder / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def hearing(monkeypatch):
    """A recogniser that hears one word wrong of the voice, and everything right in the recordings."""
    calls = []

    def transcribe(samples, *, sample_rate, batch_size, on_error):
        assert (sample_rate, on_error) == (22050, "skip") and len(samples) <= batch_size
        calls.append(len(samples))
        texts = ["GOOD MORNING, ANN", "how do you do", "hello"]
        return [Hypothesis(text=text, duration=1.0) for text in texts[: len(samples)]]

    load = jaxspeech.load

    def loaded(path, kind=None, **options):
        return SimpleNamespace(transcribe=transcribe) if path == "asr" else load(path, kind, **options)

    monkeypatch.setattr(jaxspeech, "load", loaded)
    return calls


def test_scores_lines_and_a_page(folder, capsys, monkeypatch, hearing):
    monkeypatch.chdir(folder)
    command = ["evaluate", "--model=voice.jaxspeech", "--manifest=test.jsonl", "--recognizer=asr", "--rtfx"]
    command += ["--measures=mel_distance,duration", "--output=out.jsonl", "--scores=scores.json", "--report=page.html"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "skipped: " in err and "1 text without a recording" in err and hearing == [3, 2]
    [scores] = json.loads((folder / "scores.json").read_text())["manifests"].values()
    # One word of nine is missing; of the recordings, none.
    np.testing.assert_allclose([scores["wer"], scores["recorded_wer"]], [1 / 9, 0])
    assert scores["texts"] == 3 and scores["duration"] < -0.1
    assert "of 3 texts; the recordings' WER 0.00%" in out and "RTFx " in out
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [line["spoken_text"] for line in lines] == [TEXTS[0], *TEXTS[2:]]
    assert lines[0]["scores"]["mel_distance"] < 0.2 < lines[1]["scores"]["mel_distance"]
    assert lines[0]["pred_text"] == "GOOD MORNING, ANN" and lines[0]["recorded_pred_text"] == "GOOD MORNING, ANN"
    assert lines[2]["scores"] == {"mel_distance": None, "duration": None} and "recorded_pred_text" not in lines[2]
    page = (folder / "page.html").read_text()
    assert page.count("<audio") == 5 and "<del>there</del>" in page


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--measures=mel_distanse"], "did you mean"),
        (["--manifest=empty.jsonl"], 'empty.jsonl: no line has a "text" to speak'),
    ],
)
def test_mistakes_are_one_line(folder, capsys, monkeypatch, more, said):
    monkeypatch.chdir(folder)
    (folder / "empty.jsonl").write_text('{"audio_filepath": "0.wav"}\n')
    manifest = [] if any("--manifest" in option for option in more) else ["--manifest=test.jsonl"]
    assert main(["evaluate", "--model=voice.jaxspeech", *manifest, *more]) == 2
    err = capsys.readouterr().err.splitlines()
    assert said in err[-1] and not any("Traceback" in line for line in err)
