"""Tests the verb chat: a question about many recordings, conversations by lines, Ctrl-C, every mistake in one line."""

import io
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech import loading
from jaxspeech.cli import chat_session
from jaxspeech.cli.main import main
from jaxspeech.pipelines.chat import Chat
from tests.pipelines.chat_model import chat_archive

NOISE = np.random.default_rng(0).normal(size=7000).astype(np.float32) * 0.1


@pytest.fixture(scope="module")
def chat():
    return Chat(chat_archive())


@pytest.fixture
def run(chat, tmp_path, monkeypatch, capsys):
    """Runs a verb in this process on two files, with lines of standard input: (status, stdout, lines of stderr)."""
    monkeypatch.setattr(jaxspeech, "load", lambda path, *kind, **options: chat)
    monkeypatch.setattr(loading, "load_any", lambda path, **options: chat)
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", NOISE, 16000, subtype="FLOAT")
    soundfile.write("b.wav", NOISE[:6000], 16000, subtype="FLOAT")
    (tmp_path / "bad.wav").write_bytes(b"RIFF")

    def run(*arguments, stdin="", verb="chat"):
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = main([verb, "--model=m.jaxspeech", *arguments])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return run


def shown(text):
    return text.strip() + "\n"


def test_lines_of_a_pipe_are_one_conversation(chat, run):
    talk = chat.chat()
    first, second = talk.ask("What? <audio>", NOISE, max_tokens=9).text, talk.ask("And?", max_tokens=9).text
    lines = "What? <audio>\n\n/nothing\nAnd?\n/audio bad.wav\n/quit\nnever\n"
    status, out, err = run("--max_tokens=9", "a.wav", stdin=lines)
    assert status == 0 and out == first.lstrip() + "\n" + second.lstrip() + "\n"
    skipped = [line for line in err if line.startswith("skipped: ")]
    assert len(skipped) == 2 and "no command /nothing" in skipped[0] and "bad.wav: " in skipped[1]
    assert run("--strict", "--max_tokens=9", stdin="/audio a.wav b.wav\n<audio>\n")[0] == 2
    status, out, _ = run("--strict", "--max_tokens=9", stdin="And?\n/help\n/reset\n/none\n")
    assert (status, out) == (1, chat.ask("And?", max_tokens=9).text.lstrip() + "\n")


def test_one_question_about_many_recordings(chat, run):
    answers = chat.ask_each("Say", ["a.wav", "b.wav"], max_tokens=9)
    status, out, err = run("--ask=Say", "--max_tokens=9", "a.wav", "b.wav", "bad.wav")
    assert status == 0 and [line.split("\t")[0] for line in out.splitlines()] == ["a.wav", "b.wav"]
    assert any(line.startswith("skipped: bad.wav") for line in err) and "3 files, 1 skipped" in err[-1]
    assert run("--ask=Say", "--max_tokens=9", "a.wav")[1] == shown(answers[0].text)
    lines = [{"audio_filepath": "a.wav", "context": "Say", "text": "yes", "id": 7}, {"context": "Hello?"}, {"x": 1}]
    Path("in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run("--manifest=in.jsonl", "--max_tokens=9", "--output=out.jsonl", "--strict")[0] == 1
    found = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert found[0] == lines[0] | {"pred_text": answers[0].text.strip()}
    assert found[1] == lines[1] | {"pred_text": chat.ask("Hello?", max_tokens=9).text.strip()} and len(found) == 2


def test_a_terminal_takes_commands_and_ctrl_c_stops_an_answer(chat, run, monkeypatch):
    monkeypatch.setattr(chat_session, "is_terminal", lambda stream: True)
    monkeypatch.setattr("jaxspeech.cli.chat.is_terminal", lambda stream: True)
    typed = iter(["What?", KeyboardInterrupt, "/audio nosuch.wav", "/what", " ", "And?", EOFError])
    interrupted = []

    def read(mark):
        line = next(typed)
        if isinstance(line, str):
            return line
        raise line

    def ask(talk, *arguments, _stream=jaxspeech.Conversation.stream, **options):
        for piece in _stream(talk, *arguments, **options):
            yield piece
            if not interrupted:
                interrupted.append(piece)
                raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", read)
    monkeypatch.setattr(jaxspeech.Conversation, "stream", ask)
    status, out, err = run("--max_tokens=20", "a.wav")
    assert status == 0
    talk = chat.chat()
    said = "".join(talk.stream("What?", "a.wav", max_tokens=20))
    assert out.startswith(interrupted[0].lstrip() + "\n") and said.startswith(interrupted[0])
    assert any("a.wav: 0.4 s, with the next question" in line for line in err)
    assert any("nosuch.wav: no such file" in line for line in err) and any("no command /what" in line for line in err)


def test_transcribe_takes_such_a_model(chat, run, monkeypatch):
    [expected] = chat.transcribe("a.wav", max_tokens=9)
    monkeypatch.setattr(chat, "transcribe_iter", partial(chat.transcribe_iter, max_tokens=9))
    status, out, err = run("a.wav", verb="transcribe")
    assert (status, out) == (0, shown(expected.text))
    Path("in.jsonl").write_text(json.dumps({"audio_filepath": "a.wav", "text": expected.text, "context": "Say"}) + "\n")
    status, out, _ = run("--manifest=in.jsonl", "--channel=each", verb="transcribe")
    assert status == 0 and json.loads(out)["pred_text"] == chat.ask("Say", "a.wav", max_tokens=9).text.strip()
    for option in ("--timestamps", "--stream", "--guard", "--format=srt", "--prompt=pnc=yes"):
        status, out, err = run("a.wav", option, verb="transcribe")
        assert (status, out, len(err)) == (2, "", 1) and "language model" in err[0], (option, err)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--ask="], "the question is empty"),
        (["--ask=x", "nosuch.wav"], "nosuch.wav: no such file"),
        (["nosuch.wav"], "nosuch.wav: no such file"),
        (["bad.wav"], "bad.wav: "),
        (["--manifest=in.jsonl", "a.wav"], "what is asked about these recordings? give --ask=QUESTION"),
        (["--ask=<audio> <audio>", "a.wav"], "the question has <audio> 2 times, and comes with 1 recording"),
        (["--output=x.jsonl", "a.wav"], "--output: questions about recordings need --ask=QUESTION"),
        (["--ask=x", "--system=y", "a.wav"], "--system is for conversations"),
        (["-"], "standard input is either a recording or questions"),
        (["--ask=x", "--temperature=-1", "a.wav"], "temperature is -1.0"),
        (["--ask=x", "--top_k=5", "a.wav"], "top_k is for drawing tokens"),
        (["--max_tokens=0"], "is not a whole number of 1 or more"),
        (["--max_token=5"], "did you mean --max_tokens?"),
    ],
)
def test_mistakes_are_one_line(run, arguments, message):
    status, out, err = run(*arguments)
    assert status == 2 and not out and message in err[0] and len(err) <= 2, err


def test_matrices_of_8_bits_can_be_asked_for(chat, run, monkeypatch):
    given = {}
    monkeypatch.setattr(jaxspeech, "load", lambda path, *kind, **options: given.update(options) or chat)
    assert run("--dtype=int8", "--max_tokens=2", "--ask=What?", "a.wav")[0] == 0
    assert given["dtype"] == "int8"
