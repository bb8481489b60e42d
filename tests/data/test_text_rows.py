"""Rows of text: each once per epoch, as often as its file's weight says, resumed at any step, split over processes."""

import itertools
import json
from collections import Counter
from typing import Any

import jax
import numpy as np
import pytest

from jaxspeech.data.problems import Problems
from jaxspeech.data.text_rows import EvaluationTexts, TrainingTexts
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.tasks.language_model import Texts
from jaxspeech.text.char import CharTokenizer

TOKENIZER = CharTokenizer("abcdefghij ")


@pytest.fixture
def paths(tmp_path):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefghij"), rng.integers(1, 30))) for _ in range(60)]
    (tmp_path / "a.txt").write_text("\n\n".join(texts[:40]))
    lines = [{"text": f" {text[:1]}  {text[1:]} "} for text in texts[40:]]  # white space is no text
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    texts[40:] = [f"{text[:1]} {text[1:]}".strip() for text in texts[40:]]
    return [tmp_path / "a.txt", str(tmp_path / "b.jsonl")], texts


def rows_of(paths, *, kind: Any = TrainingTexts, **options):
    shared: dict[str, Any] = {"buckets": 3, "batch_tokens": 160, "batch_size": 8}
    return kind(paths, TOKENIZER, Texts, **(shared | ({"max_tokens": 99} if kind is TrainingTexts else {}) | options))


def texts_of(batches):
    return [
        (int(index), TOKENIZER.decode(labels[:count].tolist()))
        for batch in batches
        for labels, count, index in zip(*batch, strict=True)
        if index >= 0
    ]


def test_an_epoch_shows_every_text_once(paths):
    paths, texts = paths
    data = rows_of(paths, seed=1)
    epochs = [[data[e * data.steps_per_epoch + i] for i in range(data.steps_per_epoch)] for e in range(2)]
    assert all(sorted(texts_of(epoch)) == list(enumerate(texts)) for epoch in epochs)
    assert texts_of(epochs[0]) != texts_of(epochs[1]) and texts_of(epochs[0]) != sorted(texts_of(epochs[0]))
    shapes = {batch.labels.shape for batch in epochs[0]}
    assert shapes == {shape.arrays.labels.shape for shape in data.batch_shapes} and len(shapes) == 3
    assert all(rows * (width + 1) <= 160 and width % 8 == 7 for rows, width in shapes)
    assert str(data.batch_shapes[-1]) == "5 x 32 tokens"
    assert data.name(39) == f"{paths[0]}:79" and data.name(45) == f"{paths[1]}:6"


def test_a_batch_depends_on_the_step_alone(paths):
    data, again = (rows_of(paths[0], seed=1) for _ in range(2))
    for step, batch in zip(range(30, 34), data.batches(30), strict=False):
        jax.tree.map(np.testing.assert_array_equal, batch, again[step])
    smaller = data.resized(0)
    assert smaller.batch_shapes == data.shapes(0) and all(shape.rows == 1 for shape in smaller.batch_shapes)


def test_weights_and_lengths(paths):
    paths, texts = paths
    data = rows_of(paths, weights=[1, 2], max_tokens=20)
    kept = {i: 1 + (i >= 40) for i, text in enumerate(texts) if len(text) < 20}
    assert data.too_long == 60 - len(kept) > 0
    assert Counter(i for i, _ in texts_of(data[i] for i in range(data.steps_per_epoch))) == kept
    with pytest.raises(ManifestError, match="no text of at most 1 tokens"):
        rows_of(paths, max_tokens=1)


@pytest.mark.parametrize("kind", [TrainingTexts, EvaluationTexts])
def test_processes_split_the_rows(paths, kind):
    whole, *parts = (
        rows_of(paths[0], kind=kind, data_shards=2, **share)
        for share in ({}, *({"process_index": i, "process_count": 2} for i in range(2)))
    )
    for batch, one, two in itertools.islice(zip(whole.batches(), *(p.batches() for p in parts), strict=True), 9):
        jax.tree.map(lambda a, *b: np.testing.assert_array_equal(a, np.concatenate(b)), batch, one, two)
    with pytest.raises(ConfigError, match="cannot be split between 3 processes"):
        rows_of(paths[0], kind=kind, process_count=3)


def test_an_evaluation_has_every_text_once(paths):
    paths, texts = paths
    data = rows_of(paths, kind=EvaluationTexts, buckets=[8, 16])  # of 17 and more tokens there are some, too
    batches = list(data.batches())
    assert sorted(texts_of(batches)) == list(enumerate(texts)) and data.num_examples == 60
    assert len(batches) == data.num_batches and [s.size for s in data.batch_shapes] == [8, 16, 32]
    assert data.fields(45) == {"text": texts[45]}
    found = texts_of(data.batches_with([7, 45]))
    assert {7, 45} <= {i for i, _ in found} and len(found) < 20
    assert data.digest != rows_of(paths[:1], kind=EvaluationTexts).digest
    with pytest.raises(ConfigError, match="not whole numbers of tokens"):
        rows_of(paths, kind=EvaluationTexts, buckets=[1.5])


def test_broken_lines_are_reported_and_skipped(tmp_path):
    (tmp_path / "c.txt").write_bytes(b"ab\n\xff\n\nxyz\ncd")
    said = []
    data = rows_of([tmp_path / "c.txt"], kind=EvaluationTexts, problems=Problems(report=said.append))
    assert [text for _, text in texts_of(data.batches())] == ["ab", "cd"] and data.num_examples == 4
    assert "c.txt:2: not UTF-8" in said[0] and "c.txt:4" in said[1] and len(said) == len(data.problems) == 2
