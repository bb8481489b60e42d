"""Compares transducer searches on NeMo's encoder output: ids, frames, scores and confidences."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.search.confidence import aggregate, frame_confidence
from jaxspeech.search.transducer import greedy_start, transducer_greedy
from jaxspeech.search.transducer_beam import transducer_beam
from tests.search.transducer_trace import transducer_alignment

RNNT = ["fc_rnnt_bpe", "fc_rnnt_bpe_2l", "fc_rnnt_stateless", "fc_hybrid_rnnt_ctc"]
TDT = ["fc_tdt_bpe", "fc_hybrid_tdt_ctc"]


@partial(jax.jit, static_argnames=("function", "decoder", "options"))
def run(function, decoder, params, enc_out, num_frames, options):
    """Runs the search `function` on encoder output [B D T]; compiled once for all families of one shape."""
    apply = partial(decoder.apply, {"params": params})
    predict, joint = partial(apply, method="predict"), partial(apply, method="logits")
    encoded = apply(jnp.swapaxes(enc_out, 1, 2), method="project")
    state = greedy_start(predict, decoder.initial_state(len(encoded)), start_id=decoder.vocab_size)
    kind = dict(blank_id=decoder.blank_id, durations=decoder.durations, big_blank_durations=decoder.big_blanks)
    return function(predict, joint, encoded, num_frames, state, **kind, **dict(options))


class Case:
    """One family: our decoder, and NeMo's encoder output, texts and settings."""

    def __init__(self, refs, family):
        archive = load_nemo(refs / f"{family}.nemo")
        self.decoder = build(archive.model).model.decoder
        self.params = archive.variables["params"]["decoder"]
        self.tokenizer = archive.assets["tokenizer"]
        self.arrays = np.load(refs / f"{family}.npz")
        self.notes = json.loads((refs / f"{family}.json").read_text())

    def search(self, function, rows=slice(None), **options):
        enc_out, num_frames = self.arrays["enc_out"][rows], self.arrays["enc_out_len"][rows].astype(np.int32)
        found = run(function, self.decoder, self.params, enc_out, num_frames, tuple(options.items()))
        return jax.tree.map(np.asarray, found)

    def greedy(self, **options):
        return self.search(transducer_greedy, **options)[0]

    def text(self, ids):
        return self.tokenizer.decode(np.asarray(ids).tolist())


@pytest.mark.parametrize("family", RNNT + TDT)
def test_greedy_search(refs, family):
    case = Case(refs, family)
    found = case.greedy(confidence=frame_confidence)
    for row, hypothesis in enumerate(case.notes["rnnt_greedy_batch"]):
        tokens = same_tokens(case, found, row, hypothesis)

        # NeMo's batched search overwrites the duration of a row's token while it continues in other rows.
        alone = case.notes["rnnt_greedy"][row]
        assert alone["y_sequence"] == hypothesis["y_sequence"]
        durations = alone["token_duration"] if family in TDT else [1] * len(alone["y_sequence"])
        assert (found.ends - found.starts)[row, tokens].tolist() == durations

        expected = case.notes["rnnt_greedy_conf"][row]
        sure = found.confidence[row, tokens]
        np.testing.assert_allclose(sure, expected["token_confidence"], rtol=1e-3, atol=1e-12)
        spans = [(first, stop) for _, first, stop in case.tokenizer.word_spans(found.ids[row, tokens])]
        np.testing.assert_allclose(aggregate(sure, spans), expected["word_confidence"], rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("max_symbols", [1, 3])
@pytest.mark.parametrize("family", RNNT + TDT)
def test_few_tokens_in_a_frame(refs, family, max_symbols):
    case = Case(refs, family)
    found = case.greedy(max_symbols=max_symbols)
    for row, hypothesis in enumerate(case.notes[f"rnnt_greedy_batch_max{max_symbols}"]):
        same_tokens(case, found, row, hypothesis)


def test_multiblank(refs):
    case = Case(refs, "fc_multiblank_rnnt")
    found = case.greedy()
    # The third utterance is shorter than a second: NeMo pads it with silence before it transcribes it.
    for row, hypothesis in enumerate(case.notes["transcribe"][:2]):
        same_tokens(case, found, row, hypothesis)


def test_beam_search_rnnt(refs):
    case = Case(refs, "fc_rnnt_bpe")
    found = case.search(transducer_beam, num_best=4)
    for row, hypotheses in enumerate(case.notes["rnnt_malsd_batch"]):
        for tokens, hypothesis in zip(found, hypotheses, strict=True):
            same_tokens(case, tokens, row, hypothesis)


def test_beam_search_tdt(refs):
    case = Case(refs, "fc_tdt_bpe")
    found = case.search(transducer_beam, num_best=4)
    for row, hypotheses in enumerate(case.notes["rnnt_malsd_batch"]):
        # NeMo does not merge equal tokens whose last durations reach different frames after the end; here they are
        # one hypothesis, with the sum of their probabilities and of those that NeMo's beam had no room for.
        ranked = list(dict.fromkeys(tuple(hypothesis["y_sequence"]) for hypothesis in hypotheses))
        for tokens, ids in zip(found, ranked, strict=False):
            count = tokens.num_tokens[row]
            same = [hypothesis for hypothesis in hypotheses if tuple(hypothesis["y_sequence"]) == ids]
            assert tuple(tokens.ids[row, :count].tolist()) == ids
            assert tokens.starts[row, :count].tolist() == same[0]["timestamp"]
            assert (tokens.ends - tokens.starts)[row, :count].tolist() == same[0]["token_duration"]
            total = np.logaddexp.reduce([hypothesis["score"] for hypothesis in same])
            assert total - 1e-4 <= tokens.score[row] <= total + 0.5


def same_tokens(case, found, row, hypothesis):
    """Checks ids, text, frames and score; returns the slice of the row's tokens."""
    tokens = slice(0, int(found.num_tokens[row]))
    assert found.ids[row, tokens].tolist() == hypothesis["y_sequence"]
    assert case.text(found.ids[row, tokens]) == hypothesis["text"]
    timestamp = hypothesis["timestamp"]
    frames = timestamp["timestep"] if isinstance(timestamp, dict) else timestamp
    assert found.starts[row, tokens].tolist() == frames
    np.testing.assert_allclose(found.score[row], hypothesis["score"], rtol=1e-5, atol=1e-6)
    return tokens


@pytest.mark.parametrize("family", RNNT + TDT)
def test_every_joint_step(refs, family):
    case = Case(refs, family)
    found = case.search(transducer_alignment, rows=slice(2, 3))
    count, blank_id = int(found.num_steps), case.decoder.blank_id
    assert found.labels[:count].tolist() == case.arrays["greedy_align_labels_utt2"].tolist()
    log_probs = jax.nn.log_softmax(found.logits[:count])[:, : blank_id + 1]
    np.testing.assert_allclose(log_probs, case.arrays["greedy_align_logits_utt2"], atol=2e-5)
