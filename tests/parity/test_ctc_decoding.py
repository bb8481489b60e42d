"""Compares greedy CTC on NeMo's log-probabilities: ids, text, frames, scores and confidences."""

import json
import tarfile

import numpy as np
import pytest
import yaml

from jaxspeech.search.confidence import aggregate, frame_confidence
from jaxspeech.search.ctc import ctc_greedy
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.sentencepiece import SentencePieceTokenizer

CONFORMERS = [
    "fc_ctc_bpe",
    "fc_ctc_bpe_xscale",
    "fc_ctc_abs_tied",
    "fc_ctc_untie_false",
    "fc_ctc_limited",
]
OTHERS = ["conformer_ctc_char", "quartznet", "jasper", "citrinet", "citrinet_se_ctx"]


def load(refs, family):
    arrays, notes = np.load(refs / f"{family}.npz"), json.loads((refs / f"{family}.json").read_text())
    with tarfile.open(refs / f"{family}.nemo") as archive:
        names = [name for name in archive.getnames() if name.endswith("tokenizer.model")]
        if names:
            tokenizer = SentencePieceTokenizer(archive.extractfile(names[0]).read())
        else:
            config = yaml.safe_load(archive.extractfile("./model_config.yaml").read())
            tokenizer = CharTokenizer(config["decoder"]["vocabulary"])
    return arrays["log_probs"], notes, tokenizer


@pytest.mark.parametrize("family", [*CONFORMERS, *OTHERS])
def test_greedy_search(refs, family):
    log_probs, notes, tokenizer = load(refs, family)
    blank_id = log_probs.shape[-1] - 1
    assert tokenizer.vocab_size == blank_id
    expected = notes["ctc_greedy_batch"]
    num_frames = np.array([hypothesis["length"] for hypothesis in expected])
    tokens = ctc_greedy(log_probs, num_frames, blank_id=blank_id)
    for row, hypothesis in enumerate(expected):
        count = int(tokens.num_tokens[row])
        ids = np.asarray(tokens.ids[row, :count]).tolist()
        path = hypothesis["y_sequence"]  # NeMo's best symbol of every frame
        merged = [k for t, k in enumerate(path) if k != blank_id and (t == 0 or path[t - 1] != k)]
        assert ids == merged
        assert tokenizer.decode(ids) == hypothesis["text"]
        assert [word for word, _, _ in tokenizer.word_spans(ids)] == hypothesis["text"].split()
        np.testing.assert_allclose(tokens.score[row], hypothesis["score"], rtol=1e-5)
        frames = [
            t for s, e in zip(tokens.starts[row, :count], tokens.ends[row, :count], strict=True) for t in range(s, e)
        ]
        assert frames == hypothesis["timestamp"]["timestep"]


@pytest.mark.parametrize("family", CONFORMERS)  # NeMo has no confidence for characters
def test_nemos_confidence(refs, family):
    log_probs, notes, tokenizer = load(refs, family)
    expected = notes["ctc_confidence"]
    num_frames = np.array([hypothesis["length"] for hypothesis in expected])
    tokens = ctc_greedy(log_probs, num_frames, blank_id=log_probs.shape[-1] - 1)
    for row, hypothesis in enumerate(expected):
        frames = np.asarray(frame_confidence(log_probs[row, : num_frames[row]]))
        np.testing.assert_allclose(frames, hypothesis["frame_confidence"], rtol=2e-4, atol=1e-12)
        count = int(tokens.num_tokens[row])
        spans = zip(np.asarray(tokens.starts[row, :count]), np.asarray(tokens.ends[row, :count]), strict=True)
        of_tokens = aggregate(frames, spans)
        np.testing.assert_allclose(of_tokens, hypothesis["token_confidence"], rtol=2e-4, atol=1e-12)
        words = [(first, stop) for _, first, stop in tokenizer.word_spans(tokens.ids[row, :count])]
        np.testing.assert_allclose(aggregate(of_tokens, words), hypothesis["word_confidence"], rtol=2e-4, atol=1e-12)
