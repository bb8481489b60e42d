"""Blocks of text: every token once an epoch, whatever the step at which one begins."""

import itertools
import json

import numpy as np
import pytest

from jaxspeech.data.text_blocks import TextBlocks
from jaxspeech.errors import ManifestError
from jaxspeech.text.char import CharTokenizer

TOKENIZER = CharTokenizer("abcdefghij ")
END = TOKENIZER.vocab_size


@pytest.fixture
def paths(tmp_path):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefghij"), rng.integers(1, 30))) for _ in range(60)]
    (tmp_path / "a.txt").write_text("\n\n".join(texts[:40]))
    lines = [{"text": text} for text in texts[40:]]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [tmp_path / "a.txt", str(tmp_path / "b.jsonl")], texts


def test_an_epoch_shows_every_token_once_but_for_a_rest(paths):
    paths, texts = paths
    blocks = TextBlocks(paths, TOKENIZER, length=16, batch_size=3, seed=1)
    stream = np.concatenate([[*TOKENIZER.encode(text), END] for text in texts])
    assert blocks.num_tokens == len(stream)
    doubled = "".join(map(chr, np.concatenate([stream, stream])))
    for epoch in range(2):
        batches = [blocks[epoch * blocks.steps_per_epoch + i] for i in range(blocks.steps_per_epoch)]
        rows = np.concatenate(batches)
        assert rows.shape == (blocks.steps_per_epoch * 3, 17)
        places = [doubled.find("".join(map(chr, row))) for row in rows]
        assert min(places) >= 0
        covered = np.concatenate([(place + np.arange(16)) % len(stream) for place in places])
        assert len(np.unique(covered)) == len(covered) > len(stream) - 3 * 16
        assert places != sorted(places)


def test_the_step_decides(paths):
    blocks, again = (TextBlocks(paths[0], TOKENIZER, length=16, batch_size=3, seed=1) for _ in range(2))
    for step, batch in zip(range(30, 40), blocks.batches(30), strict=False):
        np.testing.assert_array_equal(batch, again[step])
    first, second = (np.concatenate([blocks[e * blocks.steps_per_epoch + i] for i in range(3)]) for e in range(2))
    assert (first != second).any() and (first != TextBlocks(paths[0], TOKENIZER, length=16, batch_size=3)[0][0]).any()
    assert len(list(itertools.islice(blocks.batches(), 5))) == 5


def test_what_cannot_be_used_is_one_line(paths, tmp_path):
    with pytest.raises(ManifestError, match="do not fill a batch of 100 x 100"):
        TextBlocks(paths[0], TOKENIZER, length=100, batch_size=100)
    with pytest.raises(ManifestError, match="no such file"):
        TextBlocks([tmp_path / "missing.txt"], TOKENIZER, length=4, batch_size=1)
    (tmp_path / "latin.txt").write_bytes(b"a\n\xff\n")
    with pytest.raises(ManifestError, match=r"latin\.txt, line 2: not UTF-8"):
        TextBlocks([tmp_path / "latin.txt"], TOKENIZER, length=4, batch_size=1)
