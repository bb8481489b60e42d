"""Phrases and language models at the doors of a random recogniser: a phrase with a large weight is written."""

import functools
import json

import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech import loading
from jaxspeech.cli.main import main
from jaxspeech.errors import ConfigError, LanguageModelError
from jaxspeech.inference.inputs import Recording
from jaxspeech.ngrams.graph import to_ngram
from jaxspeech.ngrams.load import from_arpa
from jaxspeech.pipelines.recognizer import Recognizer
from tests.inference.fed import fed
from tests.inference.test_streaming import archive, speech

AUDIO = [speech(i, seconds) for i, seconds in enumerate((1.5, 1.3, 1.4))]
STRONG = {"boost_weight": 9.0}
ARPA = "\\data\\\nngram 1={}\n\n\\1-grams:\n{}\n\\end\\\n"


@functools.cache
def recognizer() -> Recognizer:
    return Recognizer(archive("rnnt"))


def texts(inputs, **options):
    return [hypothesis.text for hypothesis in recognizer().transcribe(inputs, **options)]


def programs():
    return len(recognizer()._long._full._compiled)


def arpa(path, likely):
    """A unigram model in which one letter is far more probable than the others."""
    words = ["<s>", "</s>", "|", *"abcdefghijklmnopqrstuvwxyz'"]
    lines = [f"{-0.1 if word == likely else -6}\t{word}" for word in words]
    path.write_text(ARPA.format(len(words), "\n".join(lines)))
    return path


def test_a_list_changes_the_text_and_another_of_its_size_needs_no_program():
    plain = texts(AUDIO)
    boosted = texts(AUDIO, boost=["qzx"], **STRONG)
    assert all(text.startswith("qzx") for text in boosted) and not any(text.startswith("qzx") for text in plain)
    compiled = programs()
    assert all(text.startswith("xk") for text in texts(AUDIO, boost={"xk": 2.0, "b": 0.1}, **STRONG))
    assert texts(AUDIO, boost=["qzx"], **STRONG) == boosted
    assert texts(AUDIO, boost=[]) == plain
    assert texts(AUDIO) == plain
    assert programs() == compiled
    least = texts(AUDIO, boost=dict.fromkeys({text[0] for text in plain}, -1), **STRONG)
    assert not any(a[:1] == b[:1] for a, b in zip(least, plain, strict=True))


def test_each_recording_has_its_own_list_in_one_batch():
    lists = [["qzx"], None, [["xk", 2]]]
    recordings = [
        Recording(str(i), audio, fields={} if own is None else {"boost": own})
        for i, (audio, own) in enumerate(zip(AUDIO, lists, strict=True))
    ]
    expected = [texts(audio, boost=own, **STRONG)[0] for audio, own in zip(AUDIO, lists, strict=True)]
    assert texts(recordings, **STRONG) == expected
    assert texts(recordings[::-1], **STRONG) == expected[::-1]
    # The list of the call is that of the others.
    assert texts(recordings, boost=["vvv"], **STRONG) == [
        expected[0],
        texts(AUDIO[1], boost=["vvv"], **STRONG)[0],
        expected[2],
    ]


def test_a_bad_list_is_the_fault_of_its_recording_or_of_the_call():
    bad = Recording("a.wav", AUDIO[0], fields={"boost": [{"phrase": ""}]})
    found = recognizer().transcribe([bad, AUDIO[1]], on_error="skip")
    assert found[0].error == "a.wav: boost: boost, entry 1: the phrase is '', not text"
    assert found[1].error is None
    for options, message in (
        ({"boost": "names.txt"}, "boost: names.txt cannot be read"),
        ({"boost": ["a"], "boost_weight": float("inf")}, "boost_weight is inf; it must be a number"),
        ({"boost": ["a"], "boost_weight": 1e5}, "boost_weight is 100000; the most is 10000"),
        ({"boost": ["a"], "boost_weight": 10**400}, "boost_weight is 10000.*00; it must be a number"),
        ({"lm_weight": 1.0}, "lm_weight is 1.0, but there is no language_model"),
    ):
        with pytest.raises(ConfigError, match=message):
            texts(AUDIO, **options)


def test_a_language_model_is_added_and_must_be_of_the_tokenizer(tmp_path):
    path = arpa(tmp_path / "lm.arpa", "z")
    found = texts(AUDIO, language_model=path, lm_weight=3.0)
    assert all(text and set(text) == {"z"} for text in found)
    pieces = recognizer().tokenizer.pieces
    model = from_arpa(path, vocab_size=len(pieces), pieces=pieces)
    assert texts(AUDIO, language_model=model, lm_weight=3.0) == found
    assert texts(AUDIO, language_model=to_ngram(model), lm_weight=3.0) == found
    both = texts(AUDIO, language_model=path, boost=["qzx"], lm_weight=3.0, boost_weight=60.0)
    assert all(text.split()[0] == "qzx" and set(text) <= {*"qzx "} for text in both), both
    arpa(path, "é")
    with pytest.raises(LanguageModelError, match="no such file"):
        texts(AUDIO, language_model=tmp_path / "other.arpa")


def test_the_command_takes_a_list(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(jaxspeech, "load", lambda path, **options: recognizer())
    monkeypatch.setattr(loading, "load_any", lambda path, **options: recognizer())
    for name, audio in zip("ab", AUDIO, strict=False):
        soundfile.write(tmp_path / f"{name}.wav", audio, 16000, subtype="FLOAT")
    names, manifest, output = (tmp_path / name for name in ("names.txt", "in.jsonl", "out.jsonl"))
    names.write_text("qzx\n日本\n")
    lines = [{"audio_filepath": "a.wav", "text": "a"}, {"audio_filepath": "b.wav", "text": "a", "boost": {"xk": 2}}]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = [f"--boost={names}", "--boost_weight=9"]
    expected = [texts(AUDIO[0], boost=["qzx"], **STRONG)[0], texts(AUDIO[1], boost={"xk": 2}, **STRONG)[0]]
    for verb in ("transcribe", "evaluate"):
        arguments = [verb, "--model=m", *options, f"--manifest={manifest}", f"--output={output}"]
        assert main(arguments) == 0
        assert [json.loads(line)["pred_text"] for line in output.read_text().splitlines()] == expected
    capsys.readouterr()
    assert main(["transcribe", "--model=m", "--lm_weight=1", str(tmp_path / "a.wav")]) == 2
    assert "there is no language_model that it could weigh" in capsys.readouterr().err


def test_streams_have_lists_of_their_own():
    streams = recognizer().streams(2, boost=["qzx"], look_ahead=2, **STRONG)
    whole = texts(AUDIO, boost=["qzx"], **STRONG)
    found = fed(streams, AUDIO, np.random.default_rng(0))
    assert [hypothesis.text for hypothesis in found] == whole
    before, compiled = streams._programs, len(recognizer()._stream_programs)
    opened = [streams.open("own", boost={"xk": 2.0}), streams.open("all")]
    for stream, audio in zip(opened, AUDIO, strict=False):
        stream.push(audio)
        stream.end()
    while streams.step():
        pass
    own, of_all = (stream.hypothesis.text for stream in opened)
    assert own == texts(AUDIO[0], boost={"xk": 2.0}, **STRONG)[0]
    assert of_all == whole[1]
    assert streams._programs is before and len(recognizer()._stream_programs) == compiled
    # A longer list needs larger arrays, and streams that are open keep their text.
    first = streams.open("first", boost=["qzx"])
    first.push(AUDIO[0][:12000])
    streams.step()
    second = streams.open("second", boost=[f"{a}{b}{c}" for a in "bcdfg" for b in "aeiou" for c in "klmnpqrstvwxz"])
    first.push(AUDIO[0][12000:])
    for stream in (first, second):
        stream.end()
    while streams.step():
        pass
    assert first.hypothesis.text == whole[0]
    with pytest.raises(ConfigError, match=r"made by streams\(\.\.\., boost=\[\]\)"):
        recognizer().streams(1, look_ahead=2).open(boost=["a"])
