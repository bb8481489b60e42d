"""Transcripts of models become texts to train on, if they are confident, agreed on, and as long as their audio."""

import json

import pytest

from jaxspeech.cli.main import main
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.pseudo_labels import Wanted, choose, confidence_of
from jaxspeech.errors import ManifestError


def line(name, heard, *, sure=0.9, seconds=1.0, **more):
    words = [{"text": word, "start": 0.0, "end": 0.1, "confidence": sure} for word in heard.split()]
    fields = {"audio_filepath": name, "duration": seconds, "pred_text": heard, "pred_words": words}
    return fields | {"speaker": "anna"} | more


FIRST = [
    line("a.wav", "one two three", text="won two three"),
    line("b.wav", "one two three", sure=0.5),
    line("c.wav", "one two four"),
    line("d.wav", "la " * 20),
    line("e.wav", " "),
    line("f.wav", "one"),
    line("a.wav", "later", offset=2.0),
]
SECOND = [
    line("a.wav", "late", offset=2.0),
    line("c.wav", "nothing of the kind"),
    line("b.wav", "one two three"),
    line("a.wav", "one two three"),
    line("d.wav", "la " * 20),
]


def test_each_reason_leaves_out_what_it_should():
    wanted = Wanted(min_confidence=0.6, max_disagreement=0.3, max_rate=30)
    chosen, left_out = choose(FIRST, SECOND, wanted)
    assert [(kept["audio_filepath"], kept["text"]) for kept in chosen] == [
        ("a.wav", "one two three"),
        ("a.wav", "later"),
    ]
    assert chosen[0] == {
        "audio_filepath": "a.wav",
        "duration": 1.0,
        "speaker": "anna",
        "reference_text": "won two three",
        "text": "one two three",
        "confidence": 0.9,
        "disagreement": 0.0,
        "rate": 13.0,
    }
    assert chosen[1]["disagreement"] == 0.2 and chosen[1]["offset"] == 2.0  # one of five characters
    assert left_out == {
        "less confident than 0.6": 1,
        "with more disagreement than 0.3": 1,
        "with fewer than 0 or more than 30 characters a second": 1,
        "without words": 1,
        "not transcribed by the second model": 1,
    }
    assert len(choose(FIRST, None, Wanted())[0]) == 6


def test_what_cannot_be_asked_for():
    plain = [{"audio_filepath": "a.wav", "pred_text": "one"}]
    assert confidence_of(plain[0]) is None and confidence_of(line("a", "one two", sure=0.25)) == 0.25
    with pytest.raises(ManifestError, match="transcribe with --timestamps"):
        choose(plain, None, Wanted(min_confidence=0.5))
    with pytest.raises(ManifestError, match="second model"):
        choose(plain, None, Wanted(max_disagreement=0.5))
    assert choose(plain, None, Wanted(max_rate=9))[1] == {"without a duration": 1}


def test_the_command_writes_a_manifest_that_training_reads(tmp_path, capsys):
    for name, lines in (("first", FIRST), ("second", SECOND)):
        (tmp_path / name).mkdir()
        content = "".join(json.dumps(x | {"audio_filepath": f"../{x['audio_filepath']}"}) + "\n" for x in lines)
        (tmp_path / name / "out.jsonl").write_text(content)
    paths = [str(tmp_path / name / "out.jsonl") for name in ("first", "second")]
    output = tmp_path / "made" / "pseudo.jsonl"
    command = ["prepare", "pseudo_labels", *paths, f"--output={output}", "--max_disagreement=0.3", "--max_rate=30"]
    assert not main(command)
    said = capsys.readouterr()
    assert f"{output}: 3 of 7 recordings" in said.out and "left out: 1 of 7 recordings, without words" in said.out
    found = Manifest(output, need=("text",))
    assert [entry.path.resolve() for entry in found] == [tmp_path / name for name in ("a.wav", "b.wav", "a.wav")]
    assert found[2].offset == 2.0
    before = output.read_bytes()
    assert main([*command, "--min_confidence=0.99"]) == 2 and output.read_bytes() == before
