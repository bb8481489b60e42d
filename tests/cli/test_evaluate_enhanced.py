"""jaxspeech evaluate --clean as a user runs it: a table, lines, a page, and mistakes in one line."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech import loading
from jaxspeech.cli.main import main
from jaxspeech.evaluation.signal_ratios import si_sdr
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.pipelines.enhancer import Enhanced, Enhancer

RATE = 16000


def write(path, samples, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples.T, rate, subtype="FLOAT" if path.suffix == ".wav" else "PCM_24")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Recordings b/0 to b/2: the second is silent, of the third nothing is enhanced."""
    rng = np.random.default_rng(0)
    for number in range(3):
        clean, noise = (0.1 * rng.normal(size=4000).astype(np.float32) for _ in range(2))
        clean *= number != 1
        write(tmp_path / "clean" / "b" / f"{number}.wav", clean)
        write(tmp_path / "noisy" / "b" / f"{number}.wav", clean + noise)
        if number < 2:
            write(tmp_path / "enhanced" / "b" / f"{number}.flac", clean + 0.5 * noise)
    lines = [
        {"audio_filepath": f"noisy/b/{i}.wav", "target_filepath": f"clean/b/{i}.wav", "text": f"number {i}"}
        for i in range(3)
    ]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_of(out):
    return {line.strip().split("  ")[0]: line.split()[-4:] for line in out.splitlines()[1:]}


def soundfile_scores(folder):
    """SI-SDR of the first recording, before and after."""
    files = ("clean/b/0.wav", "noisy/b/0.wav", "enhanced/b/0.flac")
    clean, *others = (soundfile.read(folder / name, dtype="float32")[0] for name in files)
    return [si_sdr(x, clean) for x in others]


def test_folders(folder, capsys):
    command = ["evaluate", "--clean=clean", "enhanced", "--noisy=noisy", "--measures=sdr,si_sdr", "--output=out.jsonl"]
    assert main([*command, "--scores=scores.json", "--report=page.html"]) == 0
    out, err = capsys.readouterr()
    before, after = soundfile_scores(folder)
    rows = rows_of(out)
    assert rows["SI-SDR (dB)"] == [f"{before:.2f}", f"{after:.2f}", f"{after - before:+.2f}", "1"]
    assert list(rows) == ["SI-SDR (dB)", "SDR (dB)"] and len({len(line) for line in out.splitlines()}) == 1
    assert err.splitlines() == [
        "1 clean recording without an enhanced one, not scored",
        "2 recordings scored, 0 skipped",
    ]
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert lines[1]["scores"] == {"si_sdr": None, "sdr": None} and lines[0]["enhanced_filepath"] == "enhanced/b/0.flac"
    np.testing.assert_allclose(lines[0]["noisy_scores"]["si_sdr"], before)
    scores = json.loads((folder / "scores.json").read_text())
    np.testing.assert_allclose(scores["scores"]["si_sdr_gain"], after - before)
    assert scores["recordings"] == 2 and scores["scores"]["sdr_unscored"] == 1
    page = (folder / "page.html").read_text()
    assert page.count("<audio") == page.count('alt="spectrogram"') == 6 and f"{after - before:+.2f}" in page


def test_manifests_and_words_before_and_after(folder, capsys, monkeypatch):
    heard = {"noisy": "numb {}", "enhanced": "number {}", "clean": "number {}"}

    class Recognizer:
        def transcribe_iter(self, recordings, **options):
            assert options["on_error"] == "skip"
            for recording in recordings:
                parts = recording.source.split("/")
                text = heard[parts[-3]].format(parts[-1][0])
                yield Hypothesis(text, duration=0.25, source=recording.source)

    monkeypatch.setattr(jaxspeech, "load", lambda path, kind, dtype: Recognizer())
    command = ["evaluate", "--clean=test.jsonl", "enhanced", "--measures=si_sdr", "--recognizer=m", "--output=o.jsonl"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    before, after = soundfile_scores(folder)
    assert rows_of(out) == {
        "SI-SDR (dB)": [f"{before:.2f}", f"{after:.2f}", f"{after - before:+.2f}", "1"],
        "WER (%)": ["50.00", "0.00", "-50.00", "0"],
    }
    assert "words are compared with the manifest's texts" in err
    line = json.loads((folder / "o.jsonl").read_text().splitlines()[1])
    assert (line["text"], line["pred_text"], line["noisy_pred_text"]) == ("number 1", "number 1", "numb 1")
    # Without texts, what is recognised in the clean recordings counts.
    assert main(["evaluate", "--clean=clean", "enhanced", "--measures=si_sdr", "--recognizer=m"]) == 0
    out, err = capsys.readouterr()
    assert rows_of(out)["WER (%)"] == ["–", "0.00", "–", "0"] and "what is recognised in the clean recordings" in err


class Half(Enhancer):
    """Takes half of the difference to the clean recording away."""

    def __init__(self):
        pass

    def enhance_iter(self, recordings, **options):
        assert options == {"batch_size": 16, "channel": None, "on_error": "skip"}
        for recording in recordings:
            files = (recording.source, recording.source.replace("noisy", "clean"))
            noisy, clean = (soundfile.read(file, dtype="float32")[0] for file in files)
            yield Enhanced(recording.source, 0.25, (noisy + clean) / 2, RATE)


def test_a_model_on_a_manifest(folder, capsys, monkeypatch):
    monkeypatch.setattr(loading, "load_any", lambda *_, **options: Half())
    command = ["evaluate", "--model=m", "--manifest=test.jsonl", "--measures=si_sdr", "--output=out.jsonl"]
    assert main([*command, "--scores=scores.json", "--report=page.html"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("test.jsonl: 3 recordings\n") and rows_of(out)["SI-SDR (dB)"][3] == "1"
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    np.testing.assert_allclose(lines[0]["scores"]["si_sdr"], soundfile_scores(folder)[1], rtol=1e-4)
    assert lines[0]["text"] == "number 0" and len(lines) == 3
    means = json.loads((folder / "scores.json").read_text())["manifests"]["test.jsonl"]
    assert means["recordings"] == 3 and means["si_sdr_unscored"] == 1
    assert (folder / "page.html").read_text().count("<audio") == 9
    assert main([*command, "--clean_field=reference"]) == 2
    assert 'test.jsonl: no line has a clean recording in "reference"' in capsys.readouterr().err


def test_several_clean_files_are_channels_one_after_the_other(folder, capsys):
    clean = [soundfile.read(f"clean/b/{i}.wav", dtype="float32")[0] for i in (0, 2)]
    write(folder / "enhanced" / "two.wav", np.stack(clean))
    line = {"audio_filepath": "two.wav", "target_filepath": ["clean/b/0.wav", "clean/b/2.wav"]}
    (folder / "two.jsonl").write_text(json.dumps(line) + "\n")
    write(folder / "two.wav", clean[0] + clean[1])
    assert main(["evaluate", "--clean=two.jsonl", "enhanced", "--measures=si_sdr"]) == 0
    assert rows_of(capsys.readouterr().out)["SI-SDR (dB)"][1] == "100.00"


def test_two_files_of_other_lengths_rates_and_times(folder, capsys):
    clean, _ = soundfile.read("clean/b/0.wav", dtype="float32")
    write(folder / "late.wav", np.pad(clean, (80, 0)))
    write(folder / "cut.wav", clean[:2000])
    write(folder / "half.wav", np.repeat(clean, 2), 32000)
    command = ["evaluate", "--clean=clean/b/0.wav", "--measures=si_sdr"]
    assert main([*command, "late.wav"]) == 0
    assert "1 enhanced recording 5.0 ms later than the clean one, such as late.wav" in capsys.readouterr().err
    assert main([*command, "cut.wav"]) == 0
    out, err = capsys.readouterr()
    assert "cut.wav: scored up to 0.12 s, where the shortest ends (enhanced, clean, noisy: 0.12, 0.25 s)" in err
    assert rows_of(out)["SI-SDR (dB)"] == ["–", "100.00", "–", "0"]
    assert main([*command, "half.wav"]) == 0
    assert float(rows_of(capsys.readouterr().out)["SI-SDR (dB)"][1]) > 2


def test_channels(folder, capsys):
    clean, noisy = (soundfile.read(f"{name}/b/0.wav", dtype="float32")[0] for name in ("clean", "noisy"))
    both = np.stack([clean, noisy - clean])
    write(folder / "true.wav", both)
    write(folder / "found.wav", (both + 0.01 * both[::-1])[::-1])
    write(folder / "mixture.wav", np.stack([noisy, noisy, noisy]))
    command = ["evaluate", "--clean=true.wav", "--noisy=mixture.wav", "found.wav", "--measures=si_sdr"]
    assert main([*command, "--any_order"]) == 0
    assert 35 < float(rows_of(capsys.readouterr().out)["SI-SDR (dB)"][1]) < 45
    assert main(command) == 0
    assert float(rows_of(capsys.readouterr().out)["SI-SDR (dB)"][1]) < -25
    assert main(["evaluate", "--clean=clean/b/0.wav", "found.wav"]) == 2
    assert "found.wav: has 2 channels, but clean/b/0.wav has 1; --channel=N compares one" in capsys.readouterr().err
    assert main(["evaluate", "--clean=clean/b/0.wav", "found.wav", "--channel=1", "--measures=si_sdr"]) == 0
    assert float(rows_of(capsys.readouterr().out)["SI-SDR (dB)"][1]) > 35


def test_a_damaged_file_is_skipped(folder, capsys):
    (folder / "enhanced" / "b" / "1.flac").write_bytes(b"not audio")
    command = ["evaluate", "--clean=clean", "enhanced", "--measures=si_sdr"]
    assert main(command) == 0 and main([*command, "--strict"]) == 1
    assert "skipped: enhanced/b/1.flac" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--clean=clean", "what is to be scored? jaxspeech evaluate --clean=CLEAN FOUND"),
        ("--clean=clean enhanced --model=m", "--model has no effect with --clean, which scores files; a recogniser is"),
        ("--noisy=noisy enhanced", "--noisy has no effect without --clean=CLEAN"),
        ("--clean=clean enhanced --measures=si_sdri", "'si_sdri' is not a score; did you mean \"si_sdr\""),
        ("--clean=clean/b/2.wav enhanced", "no recording is in both: clean are '2', enhanced 'b/0', 'b/1'"),
        ("--clean=clean noisy clean", "have the same name"),
        ("--clean=test.jsonl enhanced --clean_field=reference", 'has no clean recording in "reference"'),
        ("--clean=nothing.jsonl enhanced", "nothing.jsonl: cannot be read as a manifest"),
        ("enhanced", "enhanced recordings with --clean=CLEAN"),
    ],
)
def test_mistakes(folder, capsys, arguments, message):
    assert main(["evaluate", *arguments.split()]) == 2
    assert message in capsys.readouterr().err


def test_missing_packages_are_named_once(folder, capsys, monkeypatch):
    from jaxspeech.evaluation import perceived

    monkeypatch.setattr(perceived, "importlib", SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: None)))
    assert main(["evaluate", "--clean=clean", "enhanced"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith('not installed: pesq, stoi, estoi; pip install "jaxspeech[enhance]"\n') and "PESQ" not in out
