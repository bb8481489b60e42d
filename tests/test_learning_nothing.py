"""train.py says before the first step, and in a dry run too, what it cannot learn from; a score says what it is of."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech import train
from jaxspeech.archive import load_archive
from jaxspeech.errors import SpeechError
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.tokenizer import write_tokenizer
from jaxspeech.text.train import train_tokenizer
from tests.tiny_recipe import get_config
from tests.tone_runs import train_here


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def tiny(folder, lines, **changes):
    """A recipe that trains on these lines."""
    write(folder / "train.jsonl", lines)
    config = get_config(str(folder))
    config.data.eval = {}
    for name, value in changes.items():
        part, _, field = name.partition("_")
        config[part][field] = value
    return config


@pytest.fixture
def tones_here(tones):
    """The lines of the corpus of tones, with absolute paths."""
    return [line | {"audio_filepath": str(tones / line["audio_filepath"])} for line in lines_of(tones / "train.jsonl")]


def refusal(config, folder):
    """The line with which a dry run is refused, and the lines that it printed before."""
    with pytest.raises(SpeechError) as caught:
        train.train(config, folder / "run", dry_run=True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("bad", "good"), [(8, 0), (9, 1)])
def test_nothing_or_almost_nothing_to_train_on(tones_here, tmp_path, bad, good):
    lines = [line | {"audio_filepath": f"gone/{i}.wav"} for i, line in enumerate(tones_here[:bad])]
    line = refusal(tiny(tmp_path, lines + tones_here[bad : bad + good]), tmp_path)
    assert f"data.train: {bad} of {bad + good} examples" in line and "gone/0.wav: no such file" in line


def test_nothing_to_evaluate_on(tones_here, tmp_path):
    config = tiny(tmp_path, tones_here)
    write(tmp_path / "dev.jsonl", [line | {"audio_filepath": "gone.wav"} for line in tones_here[:3]])
    config.data.eval = {"dev": str(tmp_path / "dev.jsonl")}
    assert refusal(config, tmp_path).startswith("data.eval.dev: 3 of 3 examples")


def test_every_example_longer_than_the_limit(tones_here, tmp_path):
    line = refusal(tiny(tmp_path, tones_here, data_max_seconds=0.1), tmp_path)
    assert "no usable example in 24 lines" in line and "24 too long" in line


def test_transcripts_that_cannot_fit_their_audio(tones_here, tmp_path):
    line = refusal(tiny(tmp_path, [line | {"text": "ab" * 40} for line in tones_here]), tmp_path)
    assert "a transcript too long for its audio in 24 of 24" in line and "needs 80 encoder frames" in line


def test_transcripts_without_a_word(tones_here, tmp_path):
    config = tiny(tmp_path, [line | {"text": " "} for line in tones_here], tokenizer_characters="abc ")
    assert "data.train: none of 24 texts has a word" in refusal(config, tmp_path)


@pytest.mark.parametrize("kind", ["bpe", "char"])
def test_a_tokenizer_of_another_casing(tones_here, tmp_path, kind):
    made = train_tokenizer(["a b c", "ab bc ca"] * 5, type="bpe", vocab_size=8) if kind == "bpe" else None
    write_tokenizer(tmp_path / "tok", made or CharTokenizer("abc "))
    lines = [line | {"text": line["text"].upper()} for line in tones_here]
    line = refusal(tiny(tmp_path, lines, tokenizer_path=str(tmp_path / "tok")), tmp_path)
    assert "data.train: 100.0% of the tokens and 100.0% of the characters are unknown" in line
    assert "in 24 of 24 texts" in line and "'A' " in line


def test_what_is_left_out_is_counted_in_every_place(tones_here, tones, tmp_path, capsys):
    """A run with a few faults of each kind."""
    dev = [line | {"audio_filepath": str(tones / line["audio_filepath"])} for line in lines_of(tones / "dev.jsonl")]
    soundfile.write(tmp_path / "short.wav", np.zeros(1600), 16000)
    write(tmp_path / "dev.jsonl", [*dev[:5], dev[5] | {"audio_filepath": "gone.wav"}])
    faulty = [
        {"text": "a \ud83d"},
        {"text": "abcabcabc", "audio_filepath": str(tmp_path / "short.wav"), "duration": 0.1},
    ]
    lines = [line | fault for line, fault in zip(tones_here, faulty, strict=False)]
    config = tiny(tmp_path, lines + tones_here[2:10], tokenizer_type="char")
    config.data.eval = {"dev": str(tmp_path / "dev.jsonl")}
    config.steps, config.eval_every, config.optimizer.learning_rate = 2, 2, 0.0
    out = train_here(config, tmp_path / "run")
    assert f"{tmp_path}/train.jsonl:1: the text holds half of a character" in out
    assert f"too long for its audio in 1 of 9 training examples; the first is {tmp_path}/short.wav" in out
    [evaluated] = [line for line in out.splitlines() if line.startswith("step 2: ")]
    assert "% (5 of 6 examples) on dev" in evaluated
    last = out.splitlines()[-1]
    assert "% (5 of 6 examples) on dev" in last and ", 2 unusable examples" in last
    scores = load_archive(tmp_path / "run" / "model.jaxspeech").metadata["evaluation"]["dev"]["scores"]
    assert (scores["num_examples"], scores["num_in_set"]) == (5, 6) and next(iter(scores)) == "wer"
    assert "(5 of 6 examples)" in (tmp_path / "run" / "report.html").read_text()
