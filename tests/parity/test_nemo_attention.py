"""Compares models with an attention decoder with NeMo's: states, losses, prompts, greedy and beam search."""

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.model_config import from_nemo
from jaxspeech.tasks.attention import Prompted, decoder_losses, teacher_forcing
from jaxspeech.tasks.attention_search import decode_best
from tests.parity.reference import inputs_of, reference

CANARY = ["canary_v1", "canary_canary2"]
# Without prompts: norms before and after the branches (make_transf_references.py).
FAMILIES = [*CANARY, "transf_pre", "transf_post"]


class Family(NamedTuple):
    """One .nemo file, NeMo's outputs for it, and our encoder's frames from NeMo's features."""

    archive: Archive
    model: Any
    nemo: dict[str, np.ndarray]
    notes: dict[str, Any]
    encoded: Any
    num_frames: Any

    @property
    def prompts(self):
        """The prompt of each row."""
        prompt = self.archive.assets["prompt"].encode(self.archive.assets["tokenizer"], {})
        rows = len(self.num_frames)
        return np.tile(prompt, (rows, 1)).astype(np.int32), np.full(rows, len(prompt), np.int32)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> Family:
    file, nemo, notes = reference(request.param, request)
    archive = load_nemo(file)
    model = build(archive.model).model
    encode = jax.jit(partial(model.apply, method="encode_features"))
    return Family(archive, model, nemo, notes, *encode(archive.variables, *inputs_of(nemo)))


def test_the_default_prompt(family):
    tokenizer, prompt = family.archive.assets["tokenizer"], family.archive.assets["prompt"]
    assert prompt.encode(tokenizer, {}) == family.notes["prompt_ids"]


@pytest.mark.parametrize("family", CANARY, indirect=True)
def test_prompts(family):
    tokenizer, prompt = family.archive.assets["tokenizer"], family.archive.assets["prompt"]
    asked = {"no": {"pnc": "no"}, "es": {"target_lang": "es"}, "Yes": None, "default": {}, "bool": None, "YES": None}
    for name, ids in family.notes["prompts"].items():
        if asked.get(name) is not None and isinstance(ids, list):
            assert prompt.encode(tokenizer, asked[name]) == ids, name
    # NeMo refuses True and YES, and takes "Yes" for no.
    for yes in ("Yes", "YES", True, 1, "<|pnc|>"):
        assert prompt.encode(tokenizer, {"pnc": yes}) == family.notes["prompt_ids"]


def test_states_and_log_probs(family):
    def run(model, encoded, num_frames, ids):
        frames, _ = model.decoder.frames(encoded, num_frames)
        return frames, jax.nn.log_softmax(model.decoder.logits(model.decoder(encoded, num_frames, ids)))

    apply = jax.jit(partial(family.model.apply, method=run))
    ids = family.nemo["dec_input"].astype(np.int32)
    frames, log_probs = apply(family.archive.variables, family.encoded, family.num_frames, ids)
    real = family.nemo["enc_mask"] > 0
    np.testing.assert_allclose(frames[real], family.nemo["enc_states"][real], atol=1e-4)
    known = np.arange(ids.shape[1]) < family.nemo["dec_len"][:, None]
    np.testing.assert_allclose(log_probs[known], family.nemo["dec_log_probs"][known], atol=1e-4)


@pytest.mark.parametrize(("smoothing", "name"), [(0.0, "loss_nll"), (0.1, "loss_smooth0.1")])
def test_losses(family, smoothing, name):
    if name not in family.nemo:
        pytest.skip(f"the reference has no {name}")
    prompts, num_prompts = family.prompts
    # The text, between the prompt and the end.
    num_labels = family.nemo["dec_len"].astype(np.int32) - num_prompts
    labels = family.nemo["dec_input"][:, prompts.shape[1] :].astype(np.int32)
    samples, index = np.zeros((len(labels), 1), np.float32), np.arange(len(labels), dtype=np.int32)
    batch = Prompted(samples, num_prompts, prompts, num_prompts, labels, num_labels, index)
    end_id = family.archive.model["decoder"]["end_id"]
    model = family.model.clone(loss=dataclasses.replace(family.model.loss, label_smoothing=smoothing))

    @jax.jit
    def losses(variables, encoded, num_frames, batch):
        ids, targets, counts = teacher_forcing(batch, end_id=end_id)
        states = model.apply(variables, encoded, num_frames, ids, method=lambda m, *x: m.decoder(*x))
        return decoder_losses(model, variables, states, targets, counts), ids, targets

    rows, ids, targets = losses(family.archive.variables, family.encoded, family.num_frames, batch)
    known = np.arange(ids.shape[1]) < family.nemo["dec_len"][:, None]
    np.testing.assert_array_equal(ids[known], family.nemo["dec_input"][known])
    np.testing.assert_array_equal(targets[known], family.nemo["dec_labels"][known])
    np.testing.assert_allclose(rows.losses.sum() / rows.weights.sum(), family.nemo[name], rtol=1e-5)


def decoded(family, *, rows=slice(3), num_best=1, **search):
    model = family.model.clone(search=dataclasses.replace(family.model.search, **search))
    run = jax.jit(lambda variables, *inputs: decode_best(model, variables, *inputs, num_best=num_best))
    prompts, num_prompts = family.prompts
    most = int(family.num_frames[rows].max())
    return run(
        family.archive.variables,
        family.encoded[rows, :most],
        family.num_frames[rows],
        prompts[rows],
        num_prompts[rows],
    )


def ids_of(tokens, row):
    return np.asarray(tokens.ids[row, : tokens.num_tokens[row]]).tolist()


def test_greedy_search(family):
    (tokens,) = decoded(family, beam_size=1)
    for row, theirs in enumerate(family.notes["decode"]["greedy"]):
        ours = ids_of(tokens, row)
        # NeMo's limit depends on the longest recording of the batch, ours on the row's own.
        assert ours == theirs["y_sequence"][: len(ours)] and len(ours) >= min(9, len(theirs["y_sequence"]))


def test_beam_search_of_each_recording_alone(family):
    # NeMo's beam emits one token more than its greedy search before it stops, and continues after an end at the start.
    more = family.model.search.more_than_frames + 1
    best = decoded(family, beam_size=4, num_best=4, more_than_frames=more, least_tokens=1)
    for row, hypotheses in enumerate(family.notes["decode"]["beam4_nbest_alone"]):
        assert ids_of(best[0], row) == hypotheses[0]["y_sequence"]
        for tokens, theirs in zip(best, hypotheses, strict=True):
            assert ids_of(tokens, row) == theirs["y_sequence"]
            np.testing.assert_allclose(tokens.score[row], theirs["score"], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["canary_canary2"], indirect=True)
def test_a_batch_of_one_equals_a_batch_of_many_with_any_padding(family):
    search = {"beam_size": 3, "length_penalty": 0.6}
    whole = decoded(family, **search)[0]
    spoilt = jnp.where(
        jnp.arange(family.encoded.shape[1])[:, None] < family.num_frames[:, None, None], family.encoded, jnp.nan
    )
    again = decoded(family._replace(encoded=spoilt), **search)[0]
    for row in range(3):
        (alone,) = decoded(family, rows=slice(row, row + 1), **search)
        assert ids_of(whole, row) == ids_of(alone, 0) == ids_of(again, row)
        np.testing.assert_allclose(alone.score[0], whole.score[row], rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoding": {"strategy": "beam", "beam": {"beam_size": "x"}}}, "decoding.beam.beam_size 'x'"),
        ({"decoding": {"beam": {"max_generation_delta": 1.5}}}, "max_generation_delta 1.5"),
        ({"decoding": {"strategy": "greedy", "greedy": 3}}, "decoding.greedy"),
    ],
)
def test_a_search_that_is_none_is_one_line(change, message, request):
    file, _, _ = reference("canary_v1", request)
    with NemoFile(file) as opened:
        config = opened.config()
    with pytest.raises(ArchiveError, match=message):
        from_nemo(config | change)
