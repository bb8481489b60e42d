"""jaxspeech ngram as a user runs it."""

import gzip
import json
import re

import pytest

from jaxspeech.cli.main import main
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.tokenizer import write_tokenizer
from tests.text.test_train import TEXTS


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With a tokenizer of the texts' characters and of "z", which they do not have, and the texts in two files."""
    monkeypatch.chdir(tmp_path)
    write_tokenizer("tok", CharTokenizer(sorted({*"".join(TEXTS), " ", "z"})))
    (tmp_path / "corpus.txt.gz").write_bytes(gzip.compress(("\n\n".join(TEXTS) + "\nname\u0142ess\n").encode()))
    (tmp_path / "more.jsonl").write_text(json.dumps({"text": "sale"}) + "\n{}\n")
    return tmp_path


def test_train_describe_score_and_convert(folder, capsys):
    texts = ["--tokenizer=tok", "--text=corpus.txt.gz", "--manifest=more.jsonl"]
    assert main(["ngram", "train", *texts, "--order=3", "--prune=0,0,1", "--output=new/lm.ngram"]) == 0
    said = capsys.readouterr()
    assert re.fullmatch(rf".* n-grams of .* tokens in {len(TEXTS) + 1} texts, 2 left out: new/lm.ngram\n", said.out)
    place = 2 * len(TEXTS)
    assert said.err.splitlines() == [
        f"left out corpus.txt.gz:{place}: {said.err.splitlines()[0].partition(': ')[2]}",
        "left out more.jsonl:2: no text",
    ]
    assert "'\u0142'" in said.err

    assert main(["ngram", "info", "new/lm.ngram"]) == 0
    out = capsys.readouterr().out
    assert "order 3, tokenizer " in out and "of which 1 have no unigram" in out and "pruned at [0, 0, 1]" in out

    def perplexity(file, *more):
        assert main(["ngram", "perplexity", file, "--tokenizer=tok", "--text=corpus.txt.gz", *more]) == 0
        return capsys.readouterr().out

    wanted = perplexity("new/lm.ngram")
    assert re.match(r"perplexity \d+\.\d\d per token, \d+\.\d\d per word: ", wanted)
    last = "new/lm.ngram"
    for file, options in (("lm.arpa", ()), ("lm.arpa.gz", ("--words=offset",)), ("lm.nemo", ()), ("again.ngram", ())):
        tokenizer = ["--tokenizer=tok"] if last.endswith((".arpa", ".arpa.gz")) else []
        assert main(["ngram", "convert", last, file, *options, *tokenizer]) == 0
        capsys.readouterr()
        assert perplexity(file) == wanted
        last = file


def test_a_model_over_words_scores_texts_without_a_recogniser(folder, capsys):
    (folder / "words.arpa").write_text(
        "\\data\\\nngram 1=4\n\n\\1-grams:\n-99 <s>\n-1 </s>\n-3 <unk>\n-1 hello\n\n\\end\\\n"
    )
    (folder / "some.txt").write_text("hello hello\nhello you\n")
    assert main(["ngram", "perplexity", "words.arpa", "--text=some.txt"]) == 0
    expected = 10 ** ((1 + 1 + 1 + 1 + 3 + 1) / 6)
    out = capsys.readouterr().out
    assert (
        out.startswith(f"perplexity {expected:.2f} per token, {expected:.2f} per word: ") and "1 of them unknown" in out
    )
    assert main(["ngram", "info", "words.arpa"]) == 0
    assert "order 1, 1 words" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--text=corpus.txt.gz", "--output=x.ngram"], "train: whose tokens? give --model=FILE"),
        (["train", "--tokenizer=tok", "--output=x.ngram"], "train: which texts? give --text=FILE"),
        (["train", "--tokenizer=tok", "--text=none.txt", "--output=x.ngram"], "none.txt cannot be read: No such file"),
        (["train", "--tokenizer=tok", "--text=corpus.txt.gz", "--output=x.bin"], "x.bin: the name must end in .ngram"),
        (["train", "--tokenizer=tok", "--text=e.txt", "--output=x.ngram"], "there are no texts to train on"),
        (["train", "--tokenizer=tok", "--text=e.txt", "--output=x.ngram", "--prune=1,0"], "it must begin with 0"),
        (["train", "--tokenizer=tok", "--text=e.txt", "--output=x.ngram", "--prune=a"], "'a' is no list of counts"),
        (["train", "--tokenizer=tok", "--model=x", "--text=e.txt", "--output=x.ngram"], "not both"),
        (["train", "--tokenizer=tok", "--manifest=array.json", "--output=x.ngram"], "array.json is a JSON array"),
        (
            ["train", "--tokenizer=tok", "--text=e.txt", "--output=x.ngram", "--order=100"],
            "--order=100: the most is 99",
        ),
        (["train", "--tokenizer=tok", "--text=m.jsonl", "--output=x.ngram"], "give a manifest by --manifest=m.jsonl"),
        (
            ["train", "--tokenizer=e.txt", "--text=e.txt", "--output=x.ngram"],
            "e.txt: this is not a SentencePiece model",
        ),
        (["train", "--tokenizer=odd", "--text=e.txt", "--output=x.ngram"], "tokenizer.json is no JSON object"),
        (["info", "none.ngram"], "ngram info: none.ngram: no such file"),
        (["info", "odd"], "ngram info: odd: a folder, not a file"),
        (["perplexity", "whole.arpa", "--tokenizer=tok", "--text=e.txt"], "there are no texts to score"),
        (["convert", "lm.arpa", "lm.nemo"], "lm.arpa: for which tokenizer? give --model=FILE"),
        (["perplexity", "lm.arpa", "--tokenizer=tok", "--text=e.txt"], "lm.arpa: no ARPA file: line 1"),
    ],
)
def test_a_mistake_is_one_line(folder, capsys, arguments, message):
    (folder / "e.txt").write_text("\n")
    (folder / "array.json").write_text('[{"text": "a"}]')
    (folder / "m.jsonl").write_text('{"text": "a"}\n')
    (folder / "odd").mkdir()
    (folder / "odd" / "tokenizer.json").write_text("3")
    arpa = "\\data\\\nngram 1=2\n\n\\1-grams:\n-1\t<s>\n-1\thello\n\n\\end\\\n"
    (folder / "whole.arpa").write_text(arpa)
    (folder / "lm.arpa").write_text(arpa if arguments[0] == "convert" else "hello\n")
    assert main(["ngram", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and message in said.err and said.err.count("\n") == 1
    assert not list(folder.glob("x.*"))
