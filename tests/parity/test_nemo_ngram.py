"""N-gram models against NeMo's: automata, scores, next states, sentences; read from ARPA and from .nemo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.ngrams.graph import to_graph
from jaxspeech.ngrams.load import from_arpa
from jaxspeech.ngrams.nemo import read_automaton, read_nemo, write_nemo
from jaxspeech.search import ngram as queries
from jaxspeech.search.ngram_graph import pack
from tests.parity.reference import arrays_of

NAMES = ("o3", "o3_pruned", "o2_nounk", "o4")
ARRAYS = ("from", "label", "weight", "to")
advance = jax.jit(queries.advance)


@jax.jit
def sentences(ngram, tokens, lengths, starts):
    """Scores of each token of sentences, with that of the end after the last one."""

    def step(states, inputs):
        place, token = inputs
        score = queries.candidates(ngram, states, token[:, None])[:, 0]
        score = jnp.where(place < lengths, score, jnp.where(place == lengths, queries.end(ngram, states), 0))
        return jnp.where(place < lengths, queries.extend(ngram, states, token), states), score

    return jax.lax.scan(step, starts, (jnp.arange(tokens.shape[1]), tokens.T))[1].T


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    nemo, settings = arrays_of("lm_ngram", request)
    folder, name = request.getfixturevalue("refs"), request.param
    model = from_arpa(folder / f"lm_ngram_{name}.arpa", vocab_size=settings["vocab"], words="offset")
    return name, model, nemo


def test_the_automaton_has_nemos_states_and_arcs(case):
    name, model, nemo = case
    found, kind = to_graph(model), f"{name}.norm"
    theirs = [nemo[f"{kind}.arc_{field}"] for field in ARRAYS]
    missing = (theirs[0] == 0) & (theirs[3] == 0)  # ours are the weight of state 0
    ours = [found.sources, found.labels, found.weights, found.targets]
    order = np.lexsort((theirs[1], theirs[0]))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other[order][~missing[order]], rtol=1e-6)
    np.testing.assert_allclose(found.backoff_weights[0], theirs[2][missing], rtol=1e-6)
    np.testing.assert_array_equal(found.backoffs, nemo[f"{kind}.backoff_to"])
    np.testing.assert_allclose(found.backoff_weights[1:], nemo[f"{kind}.backoff_weight"][1:], rtol=1e-6)
    np.testing.assert_allclose(found.finals, nemo[f"{kind}.final_weight"], rtol=1e-5)


@pytest.mark.parametrize("kind", ["norm", "raw"])
def test_scores_and_next_states_are_nemos(case, kind):
    name, model, nemo = case
    ngram = pack(to_graph(model._replace(unknown_each=kind == "raw")), model.vocab_size, probability=True)
    scores, following = advance(ngram, nemo[f"{name}.{kind}.query_states"].astype(np.int32))
    np.testing.assert_allclose(scores, nemo[f"{name}.{kind}.advance_scores"], atol=1e-5)
    np.testing.assert_array_equal(following, nemo[f"{name}.{kind}.advance_next"])
    tokens, lengths = nemo[f"{name}.{kind}.sent_ids"], nemo[f"{name}.{kind}.sent_len"]
    tokens = np.pad(tokens, ((0, 0), (0, 1)))
    for begin in (True, False):
        starts = queries.start(ngram, len(tokens), begin=begin)
        found = sentences(ngram, tokens, lengths, starts)
        theirs = nemo[f"{name}.{kind}.sent_scores_{'bos' if begin else 'nobos'}"]
        real = np.arange(theirs.shape[1]) < lengths[:, None]
        np.testing.assert_allclose(np.where(real, found[:, :-1], 0), theirs, atol=1e-5)
        if begin:
            np.testing.assert_allclose(found, nemo[f"{name}.{kind}.sent_scores_bos_eos"], atol=1e-5)


def test_a_nemo_file_holds_the_model_of_its_arpa_and_is_written_as_nemo_writes_it(request, refs, tmp_path):
    _, settings = arrays_of("lm_ngram", request)
    if not (refs / "lm_ngram_o3.nemo").exists():
        pytest.skip(f"{refs} has no lm_ngram_o3.nemo")
    from_text = from_arpa(refs / "lm_ngram_o3.arpa", vocab_size=settings["vocab"], words="offset")
    read = read_nemo(refs / "lm_ngram_o3.nemo")
    for mine, other in zip(to_graph(read), to_graph(from_text), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)
    for model in (from_text, read):
        write_nemo(tmp_path / "lm.nemo", model)
        theirs, ours = (read_automaton(file) for file in (refs / "lm_ngram_o3.nemo", tmp_path / "lm.nemo"))
        assert set(ours[1]) == set(theirs[1])
        for name, tensor in theirs[1].items():
            assert ours[1][name].dtype == tensor.dtype
            np.testing.assert_allclose(ours[1][name], tensor, rtol=1e-6, err_msg=name)
        assert {**theirs[2], **ours[2]} == {**theirs[2], "use_triton": None}


def test_models_of_every_shape_survive_a_nemo_file(case, tmp_path):
    _, model, _ = case
    write_nemo(tmp_path / "lm.nemo", model)
    for mine, other in zip(to_graph(read_nemo(tmp_path / "lm.nemo")), to_graph(model), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
