"""Reads and writes RTTM, UEM and SegLST; a damaged line is one clear line with its place."""

import gzip

import pytest

from jaxspeech.diarization.rttm import read_rttm, rttm_of
from jaxspeech.diarization.seglst import read_seglst, seglst_of
from jaxspeech.diarization.turns import Turn, Utterance
from jaxspeech.diarization.uem import read_uem, uem_of
from jaxspeech.errors import ManifestError

TURNS = {"a": [Turn(0.5, 2.0, "ann"), Turn(1.25, 3.5, "bob")], "b": [Turn(0.0, 1.0, "ann")]}
SAID = {"a": [Utterance(0.5, 2.0, "ann", "good morning"), Utterance(1.25, 3.5, "bob", "“hello”")]}
STRETCHES = {"a": [(0.0, 10.0), (20.0, 30.5)], "b": [(1.0, 2.0)]}


@pytest.mark.parametrize(
    ("read", "write", "content", "suffix"),
    [
        (read_rttm, rttm_of, TURNS, "rttm"),
        (read_uem, uem_of, STRETCHES, "uem"),
        (read_seglst, seglst_of, SAID, "json"),
    ],
    ids=["rttm", "uem", "seglst"],
)
def test_what_is_written_is_read(tmp_path, read, write, content, suffix):
    text = write(content)
    (tmp_path / f"x.{suffix}").write_text(text, encoding="utf-8")
    assert read(tmp_path / f"x.{suffix}") == content == read(tmp_path)
    (tmp_path / "crlf").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read(tmp_path / "crlf") == content
    (tmp_path / "zipped.gz").write_bytes(gzip.compress(text.encode("utf-16")))
    assert read(tmp_path / "zipped.gz") == content


def test_lines_of_other_programs(tmp_path):
    file = tmp_path / "x.rttm"
    lines = [
        ";; a comment",
        "SPKR-INFO a 1 <NA> <NA> <NA> adult_male ann <NA>",
        "SPEAKER a   1   0.500 1.5 <NA> <NA> ann <NA>",
        "LEXEME a 1 0.5 0.2 hello lex ann <NA> <NA>",
        "",
        "\tSPEAKER a 1 1.25 2.25 <NA> <NA> bob 0.98 <NA>",
    ]
    file.write_text("\n".join(lines))
    assert read_rttm(file) == {"a": TURNS["a"]}
    (tmp_path / "silent.rttm").write_text("")
    assert read_rttm(tmp_path / "silent.rttm") == {"silent": []}
    line = '{"session_id": 7, "speaker": "ann", "start_time": "0.5", "end_time": 2, "words": "", "more": [1, 2]}'
    (tmp_path / "x.jsonl").write_text(f"{line}\n\n{line}\n")
    assert read_seglst(tmp_path / "x.jsonl") == {"7": [Utterance(0.5, 2.0, "ann", "")] * 2}
    (tmp_path / "indented.json").write_text("[\n  " + line.replace(", ", ",\n   ") + "\n]")
    assert read_seglst(tmp_path / "indented.json") == {"7": [Utterance(0.5, 2.0, "ann", "")]}
    (tmp_path / "empty.json").write_text(" [ ] ")
    assert read_seglst(tmp_path / "empty.json") == {} and seglst_of({}) == "[]\n"


def test_spaces_in_names_do_not_shift_fields(tmp_path):
    (tmp_path / "x").write_text(rttm_of({"my talk": [Turn(0.0, 1.0, "Ann  Lee")], "": [Turn(0.0, 1.0, " ")]}))
    assert read_rttm(tmp_path / "x") == {"my_talk": [Turn(0.0, 1.0, "Ann_Lee")], "_": [Turn(0.0, 1.0, "_")]}


GOOD = {
    read_rttm: "SPEAKER a 1 0.5 1.5 <NA> <NA> ann <NA> <NA>",
    read_uem: "a 1 0 1",
    read_seglst: '{"session_id": "a", "speaker": "s", "start_time": 0, "end_time": 1, "words": "w"}',
}


@pytest.mark.parametrize(
    ("read", "line", "message"),
    [
        (read_rttm, "SPEAKER a 1 0.5 1.5 <NA> <NA>", ":3: has 7 fields; a turn is SPEAKER FILE"),
        (read_rttm, "SPEAKER a 1 0,5 1.5 <NA> <NA> ann <NA> <NA>", ":3: the start is '0,5', which is no number"),
        (read_rttm, "SPEAKER a 1 0.5 -1 <NA> <NA> ann <NA> <NA>", ":3: the duration is '-1', which is no number"),
        (read_rttm, "SPEAKER a 1 nan 1 <NA> <NA> ann <NA> <NA>", ":3: the start is 'nan'"),
        (read_rttm, "SPEAKER a 1 1 inf <NA> <NA> ann <NA> <NA>", ":3: the duration is 'inf'"),
        (read_rttm, "speech 0.5 1.5", ":3: 'speech' is no type of RTTM"),
        (read_uem, "a 1 0", ":3: has 3 fields; a stretch is FILE CHANNEL START END"),
        (read_uem, "a 1 2 1", ":3: ends at 1 s, which is not after its start, 2 s"),
        (read_uem, "a 1 x 1", ":3: the start is 'x'"),
        (read_seglst, '{"session_id": "a", "speaker": "s"', ":3: not a JSON object"),
        (read_seglst, "[1]", ":3: not a JSON object"),
        (read_seglst, '{"session_id": "a", "start_time": 0, "end_time": 1, "words": "w"}', ":3: no speaker"),
        (read_seglst, GOOD[read_seglst].replace('"w"', "1"), ":3: the words is 1, not a string"),
        (read_seglst, GOOD[read_seglst].replace('"w"', '"\\ud83d"'), ":3: the words holds"),
        (read_seglst, GOOD[read_seglst].replace("0", "true"), ":3: the start_time is 'True'"),
        (read_seglst, GOOD[read_seglst].replace("1", "-1"), ":3: the end_time is '-1'"),
        (read_seglst, GOOD[read_seglst].replace("0", "3"), ":3: ends at 1.0 s, before its start, 3.0 s"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, read, line, message):
    file = tmp_path / "damaged"
    file.write_text(f"{GOOD[read]}\n\n{line}\n")
    with pytest.raises(ManifestError) as raised:
        read(file)
    assert str(raised.value).startswith(f"{file}{message}") and "\n" not in str(raised.value)


def test_damaged_files(tmp_path):
    file, line = tmp_path / "x", GOOD[read_seglst]
    for text, message in (
        (f"[{line},\n{line},\n", 'x:2: the array has no end "]"'),
        (f"[{line},\n{line}", 'x:2: expected "," or "]"'),
        (f"[{line}\n{line}]", 'x:2: expected "," or "]"'),
        (f"[{line},\n\n{{]", "x:3: not a JSON object"),
    ):
        file.write_text(text)
        with pytest.raises(ManifestError, match=message.replace("[", r"\[").replace("]", r"\]")):
            read_seglst(file)
    file.write_bytes(b"a 1 0 1\na\xff 1 0 1\n")
    with pytest.raises(ManifestError, match=r"x:2: not UTF-8 \(byte 2 of the line\)"):
        read_uem(file)
    with pytest.raises(ManifestError, match=r"none: cannot be read \(No such file"):
        read_rttm(tmp_path / "none")
    with pytest.raises(ManifestError, match=r"no \.rttm file in this folder"):
        read_rttm(tmp_path)
