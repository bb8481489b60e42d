"""The verb speak: files, folders, pipes, times, the page, mistakes."""

import io
import json

import numpy as np
import pytest
import soundfile

from jaxspeech.archive import load_archive, save_archive
from jaxspeech.cli.main import main
from jaxspeech.pipelines.synthesizer import Synthesizer
from tests.pipelines.toy_voice import RATE, VOCODER, archives, toy_voice, toys_in_the_table

TEXT = "Good morning, ann. How do you do?"


@pytest.fixture(scope="module", autouse=True)
def _toys():
    with toys_in_the_table():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speak")
    voice = toy_voice()
    params = voice.variables["params"]
    params["vocoder"]["generator"]["kernel"] = 0.02 * params["vocoder"]["generator"]["kernel"]  # within [-1, 1]
    save_archive(folder / "voice.jaxspeech", **voice._asdict())
    for name, archive in zip(("speech", "vocoder"), archives(), strict=True):
        save_archive(folder / f"{name}.jaxspeech", **archive._asdict())
    return folder


def call(folder, *more):
    return main(["speak", f"--model={folder}/voice.jaxspeech", *map(str, more)])


def expected(folder, text=TEXT, **options):
    from jaxspeech import load

    return load(folder / "voice.jaxspeech", Synthesizer).speak(text, **options)[0].samples


def test_a_text_becomes_a_file_with_times_and_a_page(folder, capsys):
    out, times, page = (folder / name for name in ("a.flac", "a.srt", "page.html"))
    assert call(folder, f"--output={out}", f"--times={times}", f"--report={page}", *TEXT.split()) == 0
    samples, rate = soundfile.read(out)
    assert rate == RATE and soundfile.info(out).format == "FLAC"
    np.testing.assert_allclose(samples, expected(folder), atol=1e-4)
    assert "1 file, 0 skipped, " in capsys.readouterr().err
    assert "good morning, ann. how do you do?\n" in times.read_text()
    assert page.read_text().count("<audio") == 1 and "<title>morning, " in page.read_text()


def test_a_manifest_becomes_a_folder(folder, capsys):
    lines = [
        {"text": "one", "speaker": "bob"},
        {"text": "☃", "audio_filepath": "deep/x.flac", "duration": 3.0},
        {"text": "two", "audio_filepath": "deep/x.flac", "duration": 3.0},
        {"text": "three ☃", "audio_filepath": "/elsewhere/y.wav"},
    ]
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    given = f"--output={folder}/spoken", f"--manifest={folder}/in.jsonl", f"--times={folder}/words.ctm"
    assert call(folder, *given, "--strict") == 1
    said = capsys.readouterr().err
    assert "skipped: " in said and "no symbol for '☃'" in said and "spoken without '☃'" in said
    assert "4 files, 1 skipped" in said
    found = [json.loads(line) for line in (folder / "spoken/manifest.jsonl").read_text().splitlines()]
    assert [line["audio_filepath"] for line in found] == ["00001.wav", "deep/x-2.wav", "y.wav"]
    for line in found:
        assert soundfile.info(folder / "spoken" / line["audio_filepath"]).duration == pytest.approx(
            line["duration"], abs=1e-3
        )
    np.testing.assert_allclose(
        soundfile.read(folder / "spoken/00001.wav")[0], np.clip(expected(folder, "one", speaker=1), -1, 1), atol=1e-4
    )
    assert len((folder / "words.ctm").read_text().splitlines()) == 3


class Pipe:
    """Standard input or output."""

    def __init__(self, content=b""):
        self.buffer = io.BytesIO(content)

    def flush(self):
        pass

    def isatty(self):
        return False


def test_a_pipe_gets_the_sound_while_it_is_made(folder, monkeypatch, capsys):
    text = "Good. How do you do?"
    out = Pipe()
    monkeypatch.setattr("sys.stdin", Pipe(text.encode()))
    monkeypatch.setattr("sys.stdout", out)
    assert call(folder) == 0
    sent = out.buffer.getvalue()
    assert sent[:4] == b"RIFF"
    np.testing.assert_allclose(np.frombuffer(sent[44:], "<i2") / 2**15, expected(folder, text), atol=1e-4)
    assert "the first sound after" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", Pipe(b"\xff"))
    assert call(folder, "--output=-") == 2
    assert "standard input is not text in UTF-8" in capsys.readouterr().err


def test_two_models_speak_together(folder):
    given = f"--model={folder}/speech.jaxspeech", f"--vocoder={folder}/vocoder.jaxspeech", f"--output={folder}/b.wav"
    assert main(["speak", *given, "hello"]) == 0
    assert soundfile.info(folder / "b.wav").frames == len(expected(folder, "hello"))
    given = f"--vocoder={folder}/vocoder.jaxspeech", f"{folder}/speech.jaxspeech", f"{folder}/joined.jaxspeech"
    assert main(["convert", *given]) == 0 and load_archive(given[2]).model["task"] == "voice"
    assert main(["convert", "--part=vocoder", given[2], f"{folder}/again.jaxspeech"]) == 0
    assert load_archive(folder / "again.jaxspeech").model == VOCODER
    assert main(["convert", *given[:2], f"{folder}/joined.nemo"]) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--output=x.xyz", "a"], "--output=x.xyz: the name must end in .wav, .flac, .ogg, .mp3"),
        (["--output=x.wav", ""], "the text is empty"),
        (["--output=x.wav", "--speaker=eve", "a"], "there is no speaker 'eve'"),
        (["--output=x.wav", "--speaker=7", "a"], "there is no speaker 7; they are 0 to 1"),
        (["--output=x.wav", "--pace=9", "a"], "pace is 9.0"),
        (["--output=x.wav", "--times=x.doc", "a"], "--times=x.doc: its name must end in srt"),
        (["--output=-", "--times=x.srt", "a"], "--times needs --output=FILE"),
        (["--output=x.wav", "--text_file=none.txt"], "none.txt: cannot be read"),
        (["--output=x", "--manifest=none.jsonl"], "none.jsonl: cannot be read as a manifest"),
        (["--output=x.wav", "--vocoder=none.nemo", "a"], "none.nemo"),
        (["--output=-", "😀"], "this voice can say"),
        (["--output=x.wav", "lines.jsonl"], "lines.jsonl is a file: --text_file=lines.jsonl speaks its text"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, monkeypatch, tmp_path, given, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.jsonl").write_text('{"text": "a"}')
    assert call(folder, *given) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") <= 2
    assert not list(tmp_path.glob("*.wav"))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("a", True),
        ("12345", False),  # this voice does not normalise
        ("xqzvbt", True),
        ("a😀b", True),
        ("hello\x00 there", True),
        ("www.x.com/a?b=c&d e.g. A.B.C.", True),
        (" ".join(["word"] * 1999 + ["x.com"]), True),
        ("😀", False),
        ("Привет", False),
        ("你好", False),
        ("مرحبا", False),
        ("...", False),
        ("\u200b", False),
    ],
    ids=lambda x: repr(x)[:12],
)
def test_any_text_is_sound_or_one_line(folder, capsys, tmp_path, text, spoken):
    status = call(folder, f"--output={tmp_path}/a.wav", text)
    said = capsys.readouterr().err
    assert status == (0 if spoken else 2) and "Traceback" not in said
    assert (tmp_path / "a.wav").exists() == spoken
    assert ("nothing in it that this voice can say" in said) == (not spoken)
