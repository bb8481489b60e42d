"""Standard streams that are closed, or can no longer be written, never end a command with a traceback."""

import io
import os
import subprocess
import sys

import pytest

from jaxspeech.cli.main import main
from jaxspeech.runtime.streams import Forgiving, is_terminal
from tests.test_imports import ROOT

JAXSPEECH = f'"{sys.executable}" -m jaxspeech'


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=ROOT)


def broken_pipe() -> io.TextIOWrapper:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def test_messages_that_nobody_reads_are_lost():
    stream = broken_pipe()
    forgiving = Forgiving(stream)
    for _ in range(3):
        print("x" * 100_000, file=forgiving, flush=True)
    assert not is_terminal(forgiving) and forgiving.fileno() == stream.fileno()
    stream.close()  # nothing is left in its buffer that would be an error now
    assert not is_terminal(stream) and not is_terminal(None)


def test_results_that_nobody_reads_end_the_command(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdout", broken_pipe())
    assert main(["train", "--list"]) == 0
    monkeypatch.undo()
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["train", "--list"], ["convert", "--help"]])
def test_results_that_cannot_be_written_are_an_error(monkeypatch, capfd, arguments):
    monkeypatch.setattr(sys, "stdout", open("/dev/full", "w"))  # noqa: SIM115
    assert main(arguments) == 2
    sys.stdout.close()
    monkeypatch.undo()
    prog = " ".join(["jaxspeech", *[x for x in arguments if not x.startswith("-")]])
    assert capfd.readouterr().err == f"{prog}: standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("streams", "status", "out", "err"),
    [
        ("<&-", 0, "jaxspeech ", ""),
        (">&-", 2, "", "jaxspeech: standard output: Bad file descriptor\n"),
        ("2>&-", 0, "jaxspeech ", ""),
        ("<&- >&- 2>&-", 2, "", ""),
    ],
)
def test_closed_streams(streams, status, out, err):
    done = shell(f"{JAXSPEECH} --version {streams}")
    assert (done.returncode, done.stdout[:10], done.stderr) == (status, out, err)


def test_a_file_never_takes_the_place_of_a_closed_stream():
    """Messages of libraries would be written into it."""
    program = "import sys; from jaxspeech.runtime.streams import open_missing; open_missing(); f = open('README.md')"
    done = shell(f'"{sys.executable}" -c "{program}; sys.exit(f.fileno())" <&- >&- 2>&-')
    assert done.returncode > 2
