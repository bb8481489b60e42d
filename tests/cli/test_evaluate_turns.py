"""jaxspeech evaluate --rttm and --seglst as a user runs them: a table, JSON, and mistakes in one line."""

import json

import pytest

from jaxspeech.cli.main import main
from jaxspeech.diarization.rttm import rttm_of
from jaxspeech.diarization.seglst import seglst_of
from jaxspeech.diarization.turns import Turn, Utterance

TRUE = {"one": [Turn(0.0, 4.0, "ann"), Turn(4.0, 8.0, "bob")], "two": [Turn(0.0, 2.0, "eve")]}
FOUND = {"one": [Turn(0.0, 5.0, "0"), Turn(5.0, 8.0, "1")], "three": [Turn(0.0, 1.0, "0")]}
SAID = {"one": [Utterance(0.0, 4.0, "ann", "a b c"), Utterance(4.0, 8.0, "bob", "d")]}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "true.rttm").write_text(rttm_of(TRUE))
    (tmp_path / "found.rttm").write_text(rttm_of(FOUND))
    (tmp_path / "all.uem").write_text("one 1 0 4.5\n")
    (tmp_path / "true.json").write_text(seglst_of(SAID))
    (tmp_path / "found.json").write_text(seglst_of({"one": [x._replace(speaker="0") for x in SAID["one"][:1]]}))
    for name in TRUE:  # a folder with a file of each recording, and one with all of them
        (tmp_path / "each").mkdir(exist_ok=True)
        (tmp_path / "each" / f"{name}.rttm").write_text(rttm_of({name: TRUE[name]}))
    (tmp_path / "each" / "all.rttm").write_text(rttm_of(TRUE))
    return tmp_path


def table(out):
    return {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}


def test_turns(folder, capsys):
    scores = folder / "scores.json"
    command = ["evaluate", f"--rttm={folder}/true.rttm", f"{folder}/found.rttm", f"--output={scores}"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    rows = table(out)
    assert rows["one"] == ["12.50", "0.00", "0.00", "12.50", "22.50", "2/2", "0.00", "8.00"]
    assert rows["two"] == ["100.00", "100.00", "0.00", "0.00", "100.00", "0/1", "1.00", "2.00"]
    assert rows["all"] == ["30.00", "20.00", "0.00", "10.00", "48.33", "2/3", "0.50", "10.00"]
    assert len({len(line) for line in out.splitlines()}) == 1
    first, second, last = err.splitlines()
    assert first == "two: nothing was found in it, so that all of it counts as missed"
    assert second == "three: not scored, as the reference does not have it"
    assert last == "2 recordings, collar 0 s, with overlap"
    written = json.loads(scores.read_text())
    assert written["all"]["der"] == 0.3 and written["recordings"]["one"]["confusion"] == 0.125
    assert main([*command, "--collar=0.25", "--skip_overlap", f"--uem={folder}/all.uem"]) == 0
    out, err = capsys.readouterr()
    assert table(out)["all"][0] == f"{100 * 0.25 / 3.75:.2f}" and list(table(out)) == ["one", "all"]
    assert f"two: not scored, as it is not in {folder}/all.uem" in err


def test_folders_may_hold_a_turn_twice(folder, capsys):
    for reference in ("true.rttm", "each"):
        assert main(["evaluate", f"--rttm={folder}/{reference}", f"{folder}/each", "--skip_overlap"]) == 0
        assert table(capsys.readouterr().out)["all"][0] == "0.00"


def test_words(folder, capsys):
    assert main(["evaluate", f"--seglst={folder}/true.json", f"{folder}/found.json", f"--output={folder}/s.json"]) == 0
    out, err = capsys.readouterr()
    assert table(out)["all"] == ["25.00", "25.00", "1", "1", "4", "1", "0"]
    assert err == "1 recording, words up to 5 s off\n"
    assert json.loads((folder / "s.json").read_text())["all"]["cpwer"] == 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--rttm=true.rttm", "what is to be scored? jaxspeech evaluate --rttm=REFERENCE FOUND"),
        ("--rttm=true.rttm found.rttm --model=m", "--model has no effect with --rttm, which scores files"),
        ("--rttm=true.rttm found.rttm --time_collar=1", "--time_collar has no effect with --rttm"),
        ("--seglst=true.json found.json --collar=1", "--collar has no effect with --seglst"),
        ("--rttm=true.rttm --seglst=true.json found.rttm", "give --rttm or --seglst, not both"),
        ("--rttm=true.rttm found.rttm --collar=-1", "'-1' is not a number of seconds of 0 or more"),
        ("--rttm=true.rttm all.uem", "all.uem:1: 'one' is no type of RTTM"),
        ("--rttm=true.rttm found.rttm --uem=x", "x: cannot be read (No such file or directory)"),
        ("--rttm=other.rttm found.rttm", "no recording is in both: the reference has 'four', what was found has 'one'"),
        ("found.rttm --model=m", "unexpected argument found.rttm"),
        ("--collar=1 --model=m", "--collar has no effect without --rttm=REFERENCE"),
        ("--rttm=empty.rttm found.rttm", "no recording is in both"),
    ],
)
def test_a_mistake_is_one_line(folder, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(folder)
    (folder / "other.rttm").write_text(rttm_of({"four": TRUE["one"]}))
    (folder / "empty.rttm").write_text("")
    assert main(["evaluate", *arguments.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1
