"""Manifests as people have them (encodings, compression, layouts, numbers) have the same lines for all readers."""

import gzip
import io
import json
from pathlib import Path

import pytest

from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.text_stream import TextStream
from jaxspeech.errors import ManifestError
from jaxspeech.inference.inputs import find_recordings
from jaxspeech.manifest_lines import check_layout, numbered_lines, parse_line, part_of
from jaxspeech.text.char import CharTokenizer

TEXTS = ("zwölf", "你好", "three")


def line(text: str, **fields: object) -> str:
    return json.dumps({"audio_filepath": "a.wav", "duration": 1.5, "text": text} | fields, ensure_ascii=False)


def read_both(path: Path) -> tuple[list[str], list[str]]:
    """The texts and the problems of a manifest, which training and inference must agree on."""
    said: list[str] = []
    trained = [entry.fields["text"] for entry in Manifest(path, need=("text",), problems=Problems(report=said.append))]
    found = list(find_recordings(path))
    assert [recording.text for recording in found if not recording.problem] == trained
    problems = [recording.problem for recording in found if recording.problem]
    assert [report.removeprefix("skipped ") for report in said] == problems
    return trained, problems


PLAIN = "".join(line(text) + "\n" for text in TEXTS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.jsonl", PLAIN.encode("utf-8-sig")),
        ("m.jsonl", PLAIN.encode("utf-16")),
        ("m.jsonl", PLAIN.replace("\n", "\r\n").encode("utf-16")),
        ("m.jsonl", "\ufeff".encode("utf-16-be") + PLAIN.encode("utf-16-be")),
        ("m.jsonl", PLAIN.encode("utf-32")),
        ("m.jsonl.gz", gzip.compress(PLAIN.encode())),
        ("m.jsonl", gzip.compress(PLAIN.encode("utf-16"))),
        ("m.json", b"\n \n" + PLAIN.replace("\n", "\r\n\r\n").encode()),
        ("m.jsonl", "".join(f"\ufeff{line(text)}\n" for text in TEXTS).encode()),  # joined files
    ],
)
def test_every_way_to_write_a_manifest_gives_its_lines(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read_both(tmp_path / name) == (list(TEXTS), [])
    tokenizer = CharTokenizer(tuple(sorted(set("".join(TEXTS)))))
    stream = TextStream([tmp_path / name], tokenizer)
    assert stream.spelled_out(stream.tokens).split("\n") == list(TEXTS)


def test_one_bad_byte_is_one_lines_fault(tmp_path: Path) -> None:
    lines = [line(str(i)).encode() for i in range(11)]
    lines[5] = lines[5].replace(b'"5"', b'"caf\xe9"')
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(lines))
    texts, problems = read_both(path)
    assert texts == [str(i) for i in range(11) if i != 5]
    assert len(problems) == 1 and problems[0].startswith(f"{path}:6: not UTF-8")
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    assert read_both(path) == (texts, problems)


@pytest.mark.parametrize("field", ["offset", "duration"])
@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "-3", "NaN", "Infinity", "true", '"1.5"', "[]", "1e300", "9" * 400, "9" * 5000, "{}"]
)
def test_absurd_numbers_are_one_lines_fault(tmp_path: Path, field: str, number: str) -> None:
    path = tmp_path / "m.jsonl"
    bad = line("bad", **{field: "HERE"}).replace('"HERE"', number)
    path.write_text("\n".join([line("one"), bad, line("two")]))
    texts, [problem] = read_both(path)
    assert texts == ["one", "two"] and problem.startswith(f"{path}:2: ") and len(problem) < 300 and "\n" not in problem


def test_of_two_equal_fields_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"audio_filepath": "b.wav", "text": "x", "duration": 9, "duration": 2, "audio_filepath": "a.wav"}')
    [recording], [entry] = find_recordings(path), Manifest(path)
    assert (recording.audio, recording.duration) == (entry.path, entry.duration) == (tmp_path / "a.wav", 2.0)


ENTRIES = [json.loads(line(text)) for text in TEXTS]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (json.dumps(ENTRIES), "is a JSON array.*jq -c '\\.\\[\\]'"),
        (json.dumps(ENTRIES, indent=2), "is a JSON array"),
        ("[\n" + ",\n".join(map(json.dumps, ENTRIES)) + "\n]\n", "is a JSON array"),
        ("[" + ",\n ".join(map(json.dumps, ENTRIES)) + "]\n", "is a JSON array"),
        ("\n".join(json.dumps(entry, indent=4) for entry in ENTRIES), "span several lines.*jq -c \\. "),
        ("\ufeff" + json.dumps({"utterances": ENTRIES}, indent=1), "span several lines"),
        (json.dumps(ENTRIES * 1000), "is a JSON array"),
    ],
)
def test_other_layouts_get_one_line_that_says_what_to_do(tmp_path: Path, content: str, what: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(content)
    with pytest.raises(ManifestError, match=what) as trained:
        Manifest(path)
    [recording] = find_recordings(path)
    assert recording.problem == str(trained.value) and recording.problem.startswith(f"{path}: ")


@pytest.mark.parametrize("first", ["{", "[1]", '{"audio_filepath": "a.wav", "dur', "[]", "null"])
def test_a_broken_first_line_is_no_other_layout(first: str) -> None:
    check_layout(f"{first}\n{PLAIN}".encode())


def test_damage_in_a_compressed_manifest_keeps_the_lines_before_it(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl.gz"
    path.write_bytes(gzip.compress(PLAIN.encode() * 10000)[:-1000])
    *found, last = find_recordings(path)
    assert len(found) > 1000 and last.problem.startswith(f"{path}: ") and "after line" in last.problem
    with pytest.raises(ManifestError, match="cannot be read"):
        Manifest(path)


def test_half_a_character_in_a_text_is_one_training_lines_fault(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("\n".join([line("one"), line("x").replace('"x"', '"x\\ud83d"'), line("two")]))
    said: list[str] = []
    manifest = Manifest(path, problems=Problems(report=said.append))
    assert [entry.fields["text"] for entry in manifest] == ["one", "two"]
    assert len(said) == 1 and f"{path}:2: the text holds half of a character" in said[0]
    assert len(list(find_recordings(path))) == 3  # its audio can be transcribed


def test_a_line_without_end_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxspeech.manifest_lines.MOST_LINE_BYTES", 10)
    file = io.BytesIO(b"{}\n" + b"x" * 95 + b"\n{}\n" + b"y" * 30)
    assert list(numbered_lines(file)) == [(1, b"{}\n"), (2, b"x" * 10), (3, b"{}\n"), (4, b"y" * 10)]


def test_content_changes_with_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(PLAIN)
    before = Manifest(path).content
    assert before.startswith("3 examples, 0.00 h") and Manifest(path).content == before
    path.write_text(PLAIN.replace("three", "threw"))
    assert Manifest(path).content != before


def test_a_part_needs_no_duration() -> None:
    assert part_of(parse_line(b'{"audio_filepath": "a", "offset": null}')) == ("a", 0.0, None)
