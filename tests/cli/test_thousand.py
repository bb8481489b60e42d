"""A folder of recordings of all kinds, a tenth of them faulty: two processes, killed and resumed, do each once."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jaxspeech import loading
from jaxspeech.archive import save_archive
from jaxspeech.cli.main import main
from jaxspeech.pipelines.recognizer import Recognizer
from tests.pipelines.tiny_recognizer import tiny_archive

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64", "rf64")


def make(folder: Path, count: int) -> tuple[list[str], list[str]]:
    """Makes the recordings; returns the paths of the good ones and of the faulty ones, in the order of the search."""
    good, faulty = [], []
    rng = np.random.default_rng(0)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        path = folder / f"{number % 7}" / f"{number:04}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % 10 == 3:
            faulty.append(str(path))
            fault = number // 10 % 6
            if fault == 0:
                path.touch()
            elif fault == 1:
                path.write_text("this is a text\n" * 30)
            elif fault == 2:
                path.write_bytes(rng.bytes(3000))
            elif fault == 3:
                path.symlink_to("nowhere.wav")
            elif fault == 4:
                soundfile.write(path, np.full(4000, np.nan), 16000, format="WAV", subtype="FLOAT")
            else:
                path.write_bytes(
                    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\0\0\0"
                )
        else:
            good.append(str(path))
            rate = (8000, 16000, 44100)[number % 3]
            samples = 0.2 * rng.standard_normal((int(rate * rng.uniform(0.2, 0.5)), 1 + number % 2))
            soundfile.write(path, samples, rate, format=kind.upper())
    return sorted(good), sorted(faulty)


def check(output: Path, good: list[str], faulty: list[str], said: str) -> None:
    """Each recording was done once and is in its place; each fault was reported once; the sum is right."""
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["audio_filepath"] for line in lines] == good
    total = len(good) + len(faulty)
    assert f"{output}: {len(good)} of {total} files, by all processes" in said
    reported = re.findall(r"^skipped: (\S+):", said, re.MULTILINE)
    assert len(reported) == len(set(reported)) and set(reported) <= set(faulty)
    # A process that is killed after it has recorded a fault may not have printed it.
    assert len(reported) >= len(faulty) - 2
    assert not Path(f"{output}.parts").exists()


def test_two_processes_interrupted_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good, faulty = make(tmp_path / "in", 70)
    asr, output = Recognizer(tiny_archive()), tmp_path / "out.jsonl"
    whole, left = asr.transcribe_iter, [11]

    def interrupted(*given, **options):
        for result in whole(*given, **options):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            yield result

    monkeypatch.setattr(loading, "load_any", lambda path, **options: asr)
    monkeypatch.setattr(asr, "transcribe_iter", interrupted)
    arguments = ["transcribe", "--model=tiny", str(tmp_path / "in"), f"--output={output}", "--num_processes=2"]
    assert main([*arguments, "--process_id=0"]) == 130
    left[0] = 5
    assert main([*arguments, "--process_id=1"]) == 130
    left[0] = 1000
    assert main([*arguments, "--process_id=0"]) == main([*arguments, "--process_id=1"]) == 0
    check(output, good, faulty, capsys.readouterr().err)


@pytest.mark.slow
def test_a_thousand_recordings_with_two_processes_killed_and_resumed(tmp_path: Path) -> None:
    good, faulty = make(tmp_path / "in", 1000)
    assert len(faulty) == 100
    output = tmp_path / "out.jsonl"
    save_archive(tmp_path / "tiny.jaxspeech", **tiny_archive()._asdict())
    command = [sys.executable, "-m", "jaxspeech", "transcribe", f"--model={tmp_path / 'tiny.jaxspeech'}"]
    command += [str(tmp_path / "in"), f"--output={output}", "--num_processes=2"]
    environment = os.environ | {"JAXSPEECH_CACHE": str(tmp_path / "cache")}
    said = []

    def start(number: int) -> subprocess.Popen[str]:
        log = (tmp_path / f"log{len(said)}").open("w+")
        said.append(log)
        return subprocess.Popen(
            [*command, f"--process_id={number}"], cwd=ROOT, env=environment, stderr=log, stdin=subprocess.DEVNULL
        )

    def done() -> int:
        return sum(path.read_bytes().count(b"\n") for path in Path(f"{output}.parts").glob("*.jsonl"))

    for enough in (50, 250):
        running = [start(number) for number in range(2)]
        while done() < enough and all(process.poll() is None for process in running):
            time.sleep(0.05)
        for process in running:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert [process.wait() for process in [start(number) for number in range(2)]] == [0, 0]
    text = "".join((tmp_path / f"log{number}").read_text() for number in range(len(said)))
    assert done() == 0
    check(output, good, faulty, text)
