"""Text blocks: each token once per epoch, resumed at any step; evaluation predicts each token once."""

import itertools
import json
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from jaxspeech.data.evaluation_text import EvaluationTextBlocks
from jaxspeech.data.problems import Problems
from jaxspeech.data.text_blocks import TextBlocks
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.text.char import CharTokenizer

TOKENIZER = CharTokenizer("abcdefghij ")
END = TOKENIZER.vocab_size


class Text(NamedTuple):
    tokens: Any
    num_tokens: Any
    index: Any


@pytest.fixture
def paths(tmp_path):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefghij"), rng.integers(1, 30))) for _ in range(60)]
    (tmp_path / "a.txt").write_text("\n\n".join(texts[:40]))
    lines = [{"text": text} for text in texts[40:]]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [tmp_path / "a.txt", str(tmp_path / "b.jsonl")], texts


def blocks_of(paths, *, kind: Any = TextBlocks, **options):
    return kind(paths, TOKENIZER, Text, **({"length": 16, "batch_size": 3} | options))


def stream_of(texts):
    return np.concatenate([[*TOKENIZER.encode(text), END] for text in texts])


def test_an_epoch_shows_every_token_once_except_a_remainder(paths):
    paths, texts = paths
    blocks = blocks_of(paths, seed=1)
    stream = stream_of(texts)
    assert blocks.num_tokens == len(stream)
    doubled = "".join(map(chr, np.concatenate([stream, stream])))
    for epoch in range(2):
        batches = [blocks[epoch * blocks.steps_per_epoch + i] for i in range(blocks.steps_per_epoch)]
        rows = np.concatenate([batch.tokens for batch in batches])
        assert rows.shape == (blocks.steps_per_epoch * 3, 17)
        assert all((batch.num_tokens == 17).all() for batch in batches)
        places = [doubled.find("".join(map(chr, row))) for row in rows]
        assert min(places) >= 0
        covered = np.concatenate([(place + np.arange(16)) % len(stream) for place in places])
        assert len(np.unique(covered)) == len(covered) > len(stream) - 3 * 16
        assert places != sorted(places)
        # The index identifies the text: no two blocks of an epoch share one.
        index = np.concatenate([batch.index for batch in batches])
        assert index.tolist() == [place // 16 for place in places] and len(np.unique(index)) == len(index)


def test_the_name_of_a_block_is_a_file_and_a_line(paths):
    paths, texts = paths
    blocks = blocks_of(paths)
    ends = np.cumsum([len(text) + 1 for text in texts])
    for index in range(blocks.num_tokens // 16):
        number = next(i for i, end in enumerate(ends) if index * 16 < end)
        # Every second line of the first file is blank.
        assert blocks.name(index) == (f"{paths[0]}:{2 * number + 1}" if number < 40 else f"{paths[1]}:{number - 39}")


def test_a_batch_depends_on_the_step_alone(paths):
    blocks, again = (blocks_of(paths[0], seed=1) for _ in range(2))
    for step, batch in zip(range(30, 40), blocks.batches(30), strict=False):
        jax.tree.map(np.testing.assert_array_equal, batch, again[step])
    first, second = (
        np.concatenate([blocks[e * blocks.steps_per_epoch + i].tokens for i in range(3)]) for e in range(2)
    )
    assert (first != second).any() and (first[:3] != blocks_of(paths[0])[0].tokens).any()
    assert len(list(itertools.islice(blocks.batches(), 5))) == 5


@pytest.mark.parametrize("kind", [TextBlocks, EvaluationTextBlocks])
def test_processes_split_the_rows(paths, kind):
    whole, *parts = (
        blocks_of(paths[0], kind=kind, batch_size=4, data_shards=2, **share)
        for share in ({}, *({"process_index": i, "process_count": 2} for i in range(2)))
    )
    assert whole.batch_shapes == parts[0].batch_shapes and whole.batch_shapes[0].rows == 4
    for batch, one, two in itertools.islice(zip(whole.batches(), *(p.batches() for p in parts), strict=True), 9):
        assert len(one.index) == 2
        jax.tree.map(lambda a, *b: np.testing.assert_array_equal(a, np.concatenate(b)), batch, one, two)
    with pytest.raises(ConfigError, match="cannot be split between 2 processes"):
        blocks_of(paths[0], kind=kind, process_count=2)


def test_batches_of_a_different_size(paths):
    blocks = blocks_of(paths[0], batch_size=30)
    [shape] = blocks.batch_shapes
    assert (shape.rows, shape.size, shape.unit, str(shape)) == (30, 16.0, "tokens", "30 x 16 tokens")
    smaller = blocks.resized(100)  # tokens
    assert smaller.batch_shapes == blocks.shapes(100) and smaller.batch_shapes[0].rows == 6
    assert jax.tree.map(np.shape, smaller[3]) == jax.tree.map(np.shape, smaller.batch_shapes[0].arrays)
    assert smaller.steps_per_epoch == blocks.num_tokens // (6 * 16) and blocks.batch_shapes[0].rows == 30
    assert blocks.shapes(0)[0].rows == 1 and blocks.shapes(1e9)[0].rows == 30


def test_evaluation_predicts_every_token_once(paths):
    paths, texts = paths
    data = blocks_of(paths, kind=EvaluationTextBlocks, batch_size=7)
    stream, predicted, given, shown = stream_of(texts), [], [], []
    batches = list(data.batches())
    assert len(batches) == data.num_batches and len(stream) % 16
    for batch in batches:
        assert batch.tokens.shape == (7, 17)
        for tokens, count, index in zip(*batch, strict=True):
            assert not tokens[count:].any() and (count > 0) == (index >= 0)
            if index >= 0:
                predicted += tokens[1:count].tolist()
                given += tokens[: count - 1].tolist()
                shown.append(int(index))
    assert predicted == stream.tolist() and given == [END, *stream[:-1]]
    assert shown == list(range(-(-len(stream) // 16))) and batches[-1].index[-1] == -1
    text = [data.fields(i)["text"] for i in shown]
    assert "".join(text).replace("\n", "") == "".join(texts)
    assert text[0].split("\n")[0] == texts[0][:16] and data.name(0) == f"{paths[0]}:1"
    [found] = data.batches_with([7, 8])
    jax.tree.map(np.testing.assert_array_equal, found, batches[1])
    assert len(list(data.resized(0).batches())) == len(shown)


def test_broken_lines_are_reported_and_skipped(paths, tmp_path):
    lines = [b"ab", b"\xff", b"", b"xyz", b"cd"]
    (tmp_path / "c.txt").write_bytes(b"\n".join(lines))
    broken = ['{"text": "ef"}', "{", '{"text": 5}', '{"text": "gh"}', '{"other": "a"}', '{"text": " "}']
    (tmp_path / "d.jsonl").write_text("\n".join(broken))
    both = [tmp_path / "c.txt", tmp_path / "d.jsonl"]
    said = []
    data = blocks_of(both, kind=EvaluationTextBlocks, length=20, problems=Problems(report=said.append))
    assert data.fields(0) == {"text": "ab\ncd\nef\ngh"}
    places = [line.partition(": ")[0] for line in data.problems.lines]
    assert places == [f"{both[0]}:2", f"{both[0]}:4", *(f"{both[1]}:{number}" for number in (2, 3, 5))]
    assert "not UTF-8" in said[0] and "character 'x'" in said[1] and "no text" in said[4] and len(said) == 5
    with pytest.raises(ManifestError, match=r"^5 of 10 examples are unusable"):
        blocks_of(both, problems=Problems(max_few=4, report=said.append))
    blocks = blocks_of([*paths[0], *both], problems=Problems(report=said.append))
    assert blocks.num_tokens == len(stream_of(paths[1])) + 12 and len(blocks.problems) == 5


def test_unusable_texts_are_one_line(paths, tmp_path):
    with pytest.raises(ManifestError, match="do not fill a batch of 100 x 100"):
        blocks_of(paths[0], length=100, batch_size=100)
    for kind in (TextBlocks, EvaluationTextBlocks):
        with pytest.raises(ManifestError, match="no such file"):
            blocks_of([tmp_path / "missing.txt"], kind=kind)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ManifestError, match=r"empty\.txt: no text"):
        blocks_of([tmp_path / "empty.txt"], kind=EvaluationTextBlocks)
    with pytest.raises(TypeError, match="nothing fills samples; it has no field for num_tokens"):
        TextBlocks(paths[0], TOKENIZER, NamedTuple("Other", tokens=Any, samples=Any, index=Any), length=4, batch_size=1)
