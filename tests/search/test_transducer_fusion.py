"""Tests transducer searches with language models, against plain loops and against all paths, in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.search.transducer import greedy_start, transducer_greedy
from jaxspeech.search.transducer_beam import transducer_beam
from jaxspeech.search.transducer_candidates import Rules
from tests.search.tables import Table, fuse
from tests.search.transducers import J, TinyTransducer, enumerate_tokens, frame_by_frame

V = 5
KINDS = {
    "rnnt": dict(blank_id=V, max_symbols=3),
    "tdt": dict(blank_id=V, durations=(0, 1, 2, 3, 4)),
    "multiblank": dict(blank_id=V + 2, big_blank_durations=(2, 5), max_symbols=4),
}
NUM_FRAMES = np.array([30, 17, 1, 0, 29])
WEIGHTS, STARTS = [2.0, 0.8], np.array([[0, 1], [2, 2], [3, 0], [1, 1], [4, 3]])
TABLES = [Table(0, vocab_size=V), Table(1, vocab_size=V)]


def tiny(kind, *, vocab_size=V, seed=1, **options):
    extra = len(KINDS[kind].get("durations", ())) + len(KINDS[kind].get("big_blank_durations", ()))
    return TinyTransducer(seed, vocab_size=vocab_size, extra=extra, **{"blank_bias": 1.0, **options})


def utterances(num_frames=NUM_FRAMES, size=30, seed=1):
    """Draws random frames [B T J]; the padding after each row's end is NaN."""
    encoded = np.random.default_rng(seed).normal(size=(len(num_frames), size, J)).astype(np.float32)
    encoded[np.arange(size) >= np.asarray(num_frames)[:, None]] = np.nan
    return encoded


@partial(jax.jit, static_argnames=("model", "tables", "function", "options"))
def run(function, model, tables, encoded, num_frames, weights, starts, options, state=None):
    predict, joint = partial(model.predict, xp=jnp), partial(model.joint, xp=jnp)
    fusion = fuse(tables, weights, len(encoded), starts)
    if state is None:
        state = greedy_start(predict, model.initial(len(encoded)), start_id=model.vocab_size, fusion=fusion)
    return function(predict, joint, encoded, num_frames, state, fusion=fusion, **dict(options))


def greedy(kind, encoded, num_frames=NUM_FRAMES, starts=STARTS, state=None, weights=WEIGHTS):
    tables, options = tuple(TABLES), tuple(KINDS[kind].items())
    return run(transducer_greedy, MODELS[kind], tables, encoded, num_frames, np.array(weights), starts, options, state)


MODELS = {kind: tiny(kind) for kind in KINDS}


def rows(tokens):
    fields = (tokens.ids, tokens.starts, tokens.ends)
    return [
        list(zip(*(np.asarray(field)[b, :count].tolist() for field in fields), strict=True))
        for b, count in enumerate(tokens.num_tokens)
    ]


def added(starts):
    """What the models of a row add to the logits after some tokens."""

    def scores(tokens):
        parts = zip(TABLES, WEIGHTS, starts, strict=True)
        return sum(w * table.scores[table.state(tokens, start)].astype(float) for table, w, start in parts)

    return scores


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_equals_frame_by_frame_with_models_of_each_row(kind):
    encoded = utterances()
    found, state = greedy(kind, encoded)
    plain, _ = greedy(kind, encoded, weights=[0.0, 0.0])
    for row, frames in enumerate(NUM_FRAMES):
        tokens, score, _ = frame_by_frame(MODELS[kind], encoded[row, :frames], **KINDS[kind], added=added(STARTS[row]))
        assert rows(found)[row] == [token[:3] for token in tokens]
        np.testing.assert_allclose(found.score[row], score, rtol=1e-5, atol=1e-4)
        np.testing.assert_array_equal(
            [part[row] for part in state.fusion],
            [table.state([t[0] for t in tokens], start) for table, start in zip(TABLES, STARTS[row], strict=True)],
        )
    assert rows(found) != rows(plain) and found.num_tokens.sum() > 30


@pytest.mark.parametrize("kind", ["tdt"])
def test_greedy_chunks_equal_the_whole(kind):
    encoded = utterances()
    whole, _ = greedy(kind, encoded)
    predict = partial(MODELS[kind].predict, xp=jnp)
    fusion = fuse(TABLES, WEIGHTS, len(encoded), STARTS)
    state = greedy_start(predict, MODELS[kind].initial(len(encoded)), start_id=V, fusion=fusion)
    parts, score = [[] for _ in NUM_FRAMES], 0
    for first in range(0, 30, 10):
        # The states of an empty text are not looked at again: the carried ones are.
        left, none = np.clip(NUM_FRAMES - first, 0, 10), np.zeros_like(STARTS)
        tokens, state = greedy(kind, encoded[:, first : first + 10], left, none, state)
        score += tokens.score
        parts = [part + more for part, more in zip(parts, rows(tokens), strict=True)]
    assert parts == rows(whole)
    np.testing.assert_allclose(score, whole.score, rtol=1e-5)


W = 2  # tokens of the beam's tests
BEAM_KINDS = {
    "rnnt": dict(blank_id=W),
    "tdt": dict(blank_id=W, durations=(0, 1, 2)),
    "multiblank": dict(blank_id=W + 2, big_blank_durations=(2, 3)),
}
BEAM_MODELS = {
    kind: TinyTransducer(1, vocab_size=W, extra={"rnnt": 0, "tdt": 3, "multiblank": 2}[kind], scale=2.0)
    for kind in BEAM_KINDS
}
# The second is a list of phrases: it has no part in the weight of blanks.
BEAM_TABLES = (Table(2, vocab_size=W), Table(3, vocab_size=W, probability=0.0))
BEAM_WEIGHTS = [0.8, 0.5]


def beam(kind, encoded, num_frames, *, rules, tables=BEAM_TABLES, weights=BEAM_WEIGHTS, starts=0, **options):
    options = tuple((BEAM_KINDS[kind] | dict(max_symbols=2, rules=rules) | options).items())
    starts = np.broadcast_to(np.asarray(starts), (len(encoded), len(tables)))
    inputs = encoded, np.asarray(num_frames), np.asarray(weights), starts
    found = run(transducer_beam, BEAM_MODELS[kind], tables, *inputs, options)
    return jax.tree.map(np.asarray, found)


def ids(tokens, row):
    return tuple(tokens.ids[row, : tokens.num_tokens[row]].tolist())


def fused_scores(of_symbol, tokens, *, rules):
    """The equations of `search.transducer_candidates`, written down again."""
    of_symbol, a = of_symbol.copy(), BEAM_WEIGHTS[0]
    for table, weight in zip(BEAM_TABLES, BEAM_WEIGHTS, strict=True):
        of_symbol[:W] += weight * table.scores[table.state(tokens)]
    if rules.blank_scores == "lm_weighted_full":
        of_symbol[:W] += a * np.log(max(1 - np.exp(of_symbol[W:]).sum(), 0.01))
        of_symbol[W:] *= 1 + a
    return of_symbol


@pytest.mark.parametrize(
    ("kind", "rules"),
    [
        ("rnnt", Rules("late", "no_score")),
        ("tdt", Rules("late", "lm_weighted_full")),
        ("multiblank", Rules("early", "lm_weighted_full")),
    ],
)
def test_a_wide_beam_finds_the_best_of_all_paths(kind, rules):
    num_frames = [3, 2]
    encoded = utterances(num_frames, size=3, seed=0)
    found = beam(kind, encoded, num_frames, rules=rules, beam_size=150, num_best=4, normalize=False)
    for row, count in enumerate(num_frames):
        options = BEAM_KINDS[kind] | dict(max_symbols=2, scores=partial(fused_scores, rules=rules))
        totals = enumerate_tokens(BEAM_MODELS[kind], encoded[row, :count], **options)
        for tokens in totals:
            ends = zip(BEAM_TABLES, BEAM_WEIGHTS, strict=True)
            totals[tokens] += sum(weight * float(table.ends[table.state(tokens)]) for table, weight in ends)
        best = sorted(totals, key=lambda tokens: -totals[tokens])[:4]
        assert [ids(tokens, row) for tokens in found] == best
        np.testing.assert_allclose([tokens.score[row] for tokens in found], [totals[t] for t in best], atol=1e-4)


@pytest.mark.parametrize("kind", ["tdt"])
def test_a_row_of_a_beam_depends_on_no_other_row(kind):
    num_frames, starts = [12, 7, 0, 11], np.array([[0, 1], [2, 2], [3, 0], [1, 1]])
    encoded, rules = utterances(num_frames, size=12, seed=2), Rules()
    together = beam(kind, encoded, num_frames, rules=rules, starts=starts, num_best=3)
    for row in (1, 3):
        one = slice(row, row + 1)
        alone = beam(kind, encoded[one], num_frames[one], rules=rules, starts=starts[one], num_best=3)
        for single, many in zip(alone, together, strict=True):
            assert ids(single, 0) == ids(many, row)
            np.testing.assert_allclose(single.score[0], many.score[row], rtol=1e-5)
    # Without frames there is the empty text, and the score of its end.
    ends = sum(w * table.ends[s] for table, w, s in zip(BEAM_TABLES, BEAM_WEIGHTS, starts[2], strict=True))
    np.testing.assert_allclose([tokens.score[2] for tokens in together], [ends, -np.inf, -np.inf], rtol=1e-5)


@pytest.mark.parametrize(
    ("rules", "message"),
    [(Rules(pruning="lat"), "pruning 'lat'; did you mean \"late\""), (Rules("late", "none"), "none")],
)
def test_a_rule_that_there_is_not_is_refused(rules, message):
    with pytest.raises(ConfigError, match=message):
        beam("rnnt", utterances([2], size=2), [2], rules=rules)


def test_a_state_that_was_started_without_the_models_is_refused():
    predict = partial(MODELS["rnnt"].predict, xp=jnp)
    with pytest.raises(ConfigError, match="take the same fusion"):
        greedy("rnnt", utterances(), state=greedy_start(predict, MODELS["rnnt"].initial(5), start_id=V))
