"""jaxspeech transcribe as a user runs it: its stdout, its stderr, the files it leaves and its exit status."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech import loading
from jaxspeech.archive import save_archive
from jaxspeech.cli import transcribe
from jaxspeech.cli.main import main
from jaxspeech.inference.output import open_output
from jaxspeech.inference.writers import FORMATS, subtitle_paths
from jaxspeech.pipelines.recognizer import Recognizer
from tests.inference.test_formats import parse_srt, parse_vtt
from tests.pipelines.tiny_recognizer import chirps, tiny_archive

SCRIPT = Path(__file__).resolve().parents[2] / "transcribe.py"
RATE = 16000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def asr() -> Recognizer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXSPEECH_CACHE", "off")
        return Recognizer(tiny_archive())


@pytest.fixture
def run(asr: Recognizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process with one loaded model: (status, stdout, stderr)."""
    monkeypatch.setattr(loading, "load_any", lambda path, **options: asr)

    def run(*arguments: object, model: str = "tiny.jaxspeech") -> tuple[int, str, str]:
        status = main(["transcribe", f"--model={model}", *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recordings, and a manifest of both with parts, references and extra fields."""
    (tmp_path / "audio" / "deep").mkdir(parents=True)
    for i, name in enumerate(("audio/a.wav", "audio/deep/b.flac")):
        soundfile.write(tmp_path / name, chirps(i, 1.6), RATE)
    lines = [
        {"audio_filepath": "audio/a.wav", "text": "hello world", "id": 7},
        {"audio_filepath": "audio/deep/b.flac", "offset": 0.4, "duration": 1.2, "text": "", "speaker": "ä"},
        {"audio_filepath": "audio/a.wav", "offset": 0.0, "duration": 0.8},
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return tmp_path


def text_of(asr: Recognizer, path: Path) -> str:
    return asr.transcribe(path)[0].text


def test_one_file_is_its_text_alone(run: Run, asr: Recognizer, folder: Path) -> None:
    status, out, err = run(folder / "audio/a.wav")
    assert (status, out) == (0, text_of(asr, folder / "audio/a.wav") + "\n")
    assert re.fullmatch(r"1 file, 0 skipped, 1\.6 s of audio in [\d.]+ s, RTFx [\d.]+\n", err)


def test_several_are_named(run: Run, asr: Recognizer, folder: Path) -> None:
    _, out, err = run(folder / "audio")
    paths = [folder / "audio/a.wav", folder / "audio/deep/b.flac"]
    assert out == "".join(f"{path}\t{text_of(asr, path)}\n" for path in paths)
    assert err.startswith("2 files, 0 skipped, 3.2 s of audio")


def test_a_manifest_is_repeated_with_what_was_said(run: Run, asr: Recognizer, folder: Path) -> None:
    given = [json.loads(line) for line in (folder / "m.jsonl").read_text().splitlines()]
    status, out, err = run(f"--manifest={folder / 'm.jsonl'}", f"--output={folder / 'out.jsonl'}")
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert (status, out) == (0, "")
    assert [line | {"pred_text": ""} for line in lines] == [line | {"pred_text": ""} for line in given]
    assert lines[0]["pred_text"] == text_of(asr, folder / "audio/a.wav")
    assert sorted(p.name for p in folder.iterdir()) == ["audio", "m.jsonl", "out.jsonl"]
    # Two lines have a reference: two words, and silence.
    rate = re.match(r"WER ([\d.]+)% \((\d+) errors? in 2 words of 2 references\), CER [\d.]+%\n3 files", err)
    assert rate and float(rate[1]) == pytest.approx(50 * int(rate[2]))


def test_two_processes_write_what_one_does(run: Run, folder: Path) -> None:
    manifest, output = f"--manifest={folder / 'm.jsonl'}", folder / "two.jsonl"
    run(manifest, f"--output={folder / 'one.jsonl'}")
    options = (manifest, f"--output={output}", "--num_processes=2")
    status, _, err = run(*options, "--process_id=1")
    assert status == 0 and "1 file, 0 skipped" in err and not output.exists()
    status, _, err = run(*options, "--process_id=0")
    assert status == 0 and f"{output}: 3 of 3 files, by all processes" in err and "WER" in err
    assert output.read_text() == (folder / "one.jsonl").read_text()
    status, _, err = run(*options, "--process_id=1")
    assert status == 0 and "delete it to start from scratch" in err


def test_timestamps(run: Run, folder: Path) -> None:
    _, out, _ = run("--timestamps", "--format=jsonl", folder / "audio/a.wav")
    line = json.loads(out)
    assert line["audio_filepath"] == str(folder / "audio/a.wav") and line["duration"] == 1.6
    assert [word["text"] for word in line["pred_words"]] == line["pred_text"].split()
    _, out, _ = run("--timestamps", folder / "audio/a.wav")
    begin, end, text = out.removesuffix("\n").split("\t")
    assert 0 <= float(begin) < float(end) <= 1.7 and text.split() == line["pred_text"].split()


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_subtitles(run: Run, asr: Recognizer, folder: Path, suffix: str) -> None:
    parse = {"srt": parse_srt, "vtt": parse_vtt}[suffix]
    words = text_of(asr, folder / "audio/a.wav").split()
    _, out, _ = run(f"--format={suffix}", folder / "audio/a.wav")
    assert " ".join(text for *_, text in parse(out)).split() == words
    run(f"--output={folder / 'one'}.{suffix}", folder / "audio/a.wav")
    assert (folder / f"one.{suffix}").read_text() == out
    run(f"--format={suffix}", f"--output={folder / 'subtitles'}", folder / "audio")
    assert (folder / f"subtitles/a.{suffix}").read_text() == out
    assert parse((folder / f"subtitles/deep/b.{suffix}").read_text())
    status, out, err = run(f"--format={suffix}", folder / "audio")
    assert (status, out) == (2, "") and "--output=FOLDER" in err and err.count("\n") == 1


def test_ctm_of_parts_of_a_file_is_in_the_order_of_time(run: Run, folder: Path) -> None:
    lines = [{"audio_filepath": "audio/a.wav", "offset": 0.8}, {"audio_filepath": "audio/a.wav", "duration": 0.8}]
    (folder / "parts.jsonl").write_text("\n".join(map(json.dumps, lines)))
    _, out, _ = run("--format=ctm", f"--manifest={folder / 'parts.jsonl'}")
    rows = [line.split() for line in out.splitlines()]
    assert all(row[:2] == ["a", "1"] and len(row) == 6 for row in rows)
    times = [float(row[2]) for row in rows]
    assert times == sorted(times) and times[0] < 0.8 < times[-1]
    # If the same part is given again, here or as a file, its words appear once.
    (folder / "again.jsonl").write_text("\n".join(map(json.dumps, [*lines, lines[0]])))
    assert run("--format=ctm", f"--manifest={folder / 'again.jsonl'}")[1] == out
    audio = folder / "audio/a.wav"
    assert run("--format=srt", audio, audio)[1] == run("--format=srt", audio)[1]


def test_a_bad_file_among_good_ones(run: Run, folder: Path) -> None:
    (folder / "text.wav").write_text("not audio at all")
    (folder / "empty.wav").touch()
    with (folder / "m.jsonl").open("a") as manifest:
        manifest.write("{broken\n")
    arguments = [folder / "text.wav", folder / "empty.wav", folder / "none.wav", f"--manifest={folder / 'm.jsonl'}"]
    status, out, err = run(*arguments)
    assert status == 0 and len(out.splitlines()) == 3
    skipped = [line for line in err.splitlines() if line.startswith("skipped: ")]
    names = ["text.wav", "empty.wav", "none.wav", "m.jsonl:4"]
    assert len(skipped) == 4 and all(name in line for name, line in zip(names, skipped, strict=True))
    assert err.splitlines()[-1].startswith("7 files, 4 skipped, ")
    assert run("--strict", *arguments)[0] == 1
    assert run(folder / "none.wav")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--channel=left"], "--channel: 'left' is neither"),
        (["--model=", "a.wav"], "--model"),
        (["--output=/proc/no/x.txt"], "/proc/no"),
    ],
)
def test_mistakes_are_one_line(run: Run, folder: Path, arguments: list[str], why: str) -> None:
    status, out, err = run(folder / "audio/a.wav", *arguments)
    assert (status, out) == (2, "") and why in err and err.count("\n") == 1


def test_an_old_output_stays_until_the_new_one_is_whole(run: Run, asr: Recognizer, folder: Path, monkeypatch) -> None:
    (folder / "out.txt").write_text("old")

    def interrupted(*_, **__):
        yield first
        raise KeyboardInterrupt

    [first] = asr.transcribe(folder / "audio/a.wav")
    monkeypatch.setattr(asr, "transcribe_iter", interrupted)
    status, _, err = run(f"--output={folder / 'out.txt'}", folder / "audio")
    assert status == 130 and "Traceback" not in err
    assert (folder / "out.txt").read_text() == "old"
    assert sorted(p.name for p in folder.iterdir()) == ["audio", "m.jsonl", "out.txt", "out.txt.part"]
    assert first.text in (folder / "out.txt.part").read_text() and "out.txt.part" in err


def test_the_formats_are_those_of_the_writers() -> None:
    assert transcribe.FORMATS == FORMATS


def test_subtitle_names_never_collide(tmp_path: Path) -> None:
    sources = [str(tmp_path / name) for name in ("x/a.wav", "x/a.flac", "y/a.wav", "b.c.wav")]
    paths = subtitle_paths(sources, tmp_path / "out", ".srt")
    names = [str(path.relative_to(tmp_path / "out")) for path in paths.values()]
    assert names == ["x/a.wav.srt", "x/a.flac.srt", "y/a.srt", "b.c.srt"]


def script(*arguments: object, cache: str = "off") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    # The programs that all tests share are kept by this setting of JAX, which comes before the command's own.
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    return subprocess.run(command, capture_output=True, text=True, env=environment | {"JAXSPEECH_CACHE": cache})


def test_without_arguments_it_says_what_is_missing() -> None:
    done = script()
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "transcribe.py: missing: --model; transcribe.py --help lists the options\n"


def test_help() -> None:
    done = script("--help")
    assert done.returncode == 0 and "--manifest" in done.stdout and "--strict, --nostrict" in done.stdout
    assert "jaxspeech transcribe --model=model.jaxspeech" in done.stdout


def test_an_unknown_flag_is_one_line() -> None:
    done = script("--modle=x", "a.wav")
    assert done.returncode == 2
    assert done.stderr == "transcribe.py: unknown option --modle; did you mean --model?\n"


def test_the_whole_way_in_a_process_of_its_own(asr: Recognizer, folder: Path) -> None:
    save_archive(folder / "tiny.jaxspeech", **tiny_archive()._asdict())
    done = script(f"--model={folder / 'tiny.jaxspeech'}", folder / "audio/a.wav", cache=str(folder / "cache"))
    assert (done.returncode, done.stdout) == (0, text_of(asr, folder / "audio/a.wav") + "\n")
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("1 file, ")
    assert list((folder / "cache").iterdir())
    (folder / "tiny.jaxspeech").write_bytes((folder / "tiny.jaxspeech").read_bytes()[:5000])
    done = script(f"--model={folder / 'tiny.jaxspeech'}", folder / "audio/a.wav")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "tiny.jaxspeech" in done.stderr
    np.testing.assert_equal(done.stdout, "")


def test_live_options_without_stream_are_one_line(run: Run, folder: Path) -> None:
    status, out, err = run("--look_ahead=0", folder / "audio/a.wav")
    assert (status, out) == (2, "")
    assert err == "jaxspeech transcribe: --look_ahead is for live audio: add --stream\n"


def test_a_model_that_cannot_stream_says_why(run: Run, folder: Path) -> None:
    status, out, err = run("--stream", folder / "audio/a.wav")
    assert (status, out) == (2, "")
    assert err.startswith("jaxspeech transcribe: this model cannot stream: ") and err.count("\n") == 1


def test_words_that_nobody_said_count(run: Run, asr: Recognizer, folder: Path) -> None:
    heard = text_of(asr, folder / "audio/a.wav")
    lines = [{"audio_filepath": "audio/a.wav", "text": text} for text in (heard, "")]
    (folder / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    _, _, err = run(f"--manifest={folder / 'r.jsonl'}", f"--output={folder / 'out.jsonl'}")
    count = len(heard.split())
    assert f"WER 100.00% ({count} errors in {count} words of 2 references)" in err


def test_output_that_is_no_file(run: Run, folder: Path, tmp_path: Path) -> None:
    status, _, err = run(folder / "audio/a.wav", f"--output={folder / 'audio'}")
    assert status == 2 and err == f"jaxspeech transcribe: {folder / 'audio'}: is a folder; --output is a file\n"
    (tmp_path / "target.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("target.txt")
    run(folder / "audio/a.wav", f"--output={tmp_path / 'link.txt'}")
    assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "target.txt").read_text() != "old"
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True)
    run(folder / "audio/a.wav", f"--output={tmp_path / 'pipe'}")
    assert reader.communicate()[0] == (tmp_path / "target.txt").read_text()
    assert (tmp_path / "pipe").is_fifo()


def test_what_was_done_before_a_stop_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out.txt"
    output.write_text("old")
    with pytest.raises(KeyboardInterrupt), open_output(output) as put:
        put("one\n")
        raise KeyboardInterrupt
    with pytest.raises(SystemExit), open_output(tmp_path / "nothing.txt"):
        sys.exit(143)
    assert output.read_text() == "old" and (tmp_path / "out.txt.part").read_text() == "one\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.txt", "out.txt.part"]
    assert "out.txt.part" in capsys.readouterr().err


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """A call of two speakers, each on a channel of its own; the second begins later."""
    first, second = chirps(0, 3.2), chirps(1, 1.6)
    samples = np.stack([first, np.concatenate([0 * second, second])], 1)
    soundfile.write(tmp_path / "call.wav", samples, RATE)
    return tmp_path / "call.wav"


def test_each_channel_is_a_transcript(run: Run, asr: Recognizer, call: Path) -> None:
    alone = [asr.transcribe(call, channel=channel)[0] for channel in (0, 1)]
    both = asr.transcribe([call, chirps(2, 1.6)], channel="each")
    assert [h.channel for h in both] == [0, 1, 0] and [h.text for h in both[:2]] == [h.text for h in alone]
    assert alone[0].text != alone[1].text
    status, out, err = run("--channel=each", call)
    assert (status, out) == (0, "".join(f"{i}\t{h.text}\n" for i, h in enumerate(alone)))
    assert err.startswith("2 files, 0 skipped, 6.4 s")
    _, out, _ = run("--channel=each", "--format=jsonl", call)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["channel"], line["pred_text"]) for line in lines] == [(i, h.text) for i, h in enumerate(alone)]
    _, out, _ = run("--channel=each", "--timestamps", call)
    starts = [float(line.split("\t")[1]) for line in out.splitlines()]
    assert starts == sorted(starts) and {line.split("\t")[0] for line in out.splitlines()} == {"0", "1"}


def test_each_channel_in_word_formats(run: Run, asr: Recognizer, call: Path) -> None:
    words = [asr.transcribe(call, channel=channel, timestamps=True)[0].words or () for channel in (0, 1)]
    assert all(words)
    _, out, _ = run("--channel=each", "--format=ctm", call)
    rows = [line.split() for line in out.splitlines()]
    assert [(row[1], float(row[2])) for row in rows] == [
        (str(1 + channel), pytest.approx(word.start, abs=1e-3)) for channel in (0, 1) for word in words[channel]
    ]
    _, out, _ = run("--channel=each", "--format=srt", call)
    cues = parse_srt(out)
    assert [begin for begin, _, _ in cues] == sorted(begin for begin, _, _ in cues)
    assert {text.split()[0] for _, _, text in cues} == {"[0]", "[1]"}
    assert sum(len(text.split()) - 1 for _, _, text in cues) == sum(map(len, words))
    _, out, _ = run("--channel=each", "--format=textgrid", call)
    assert re.findall(r'name = "(.*)"', out) == [
        f"{tier} {i}" for i in (0, 1) for tier in ("segments", "words", "tokens")
    ]


def test_each_channel_of_a_pipe_and_of_what_cannot_be_read(run: Run, asr: Recognizer, call: Path) -> None:
    pipe = call.with_name("pipe")
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"cat {call} > {pipe}"]):
        status, out, err = run("--channel=each", pipe, call.with_name("missing.wav"))
    assert status == 0 and "missing.wav: no such file" in err
    expected = [h.text for h in asr.transcribe(call, channel="each")]
    assert [line.split("\t")[1:] for line in out.splitlines()] == [[str(i), text] for i, text in enumerate(expected)]
    status, _, err = run("--channel=each", "--stream", call)
    assert status == 2 and "leave out --stream" in err
    with pytest.raises(jaxspeech.SpeechError, match='channel is "each", which is for transcribing'):
        asr.align(call, "a", channel="each")
