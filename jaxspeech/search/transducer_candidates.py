"""The symbols by which a transducer beam search may extend its hypotheses, with acoustic and fused scores.

no_score           token  log p(v) + f(v)                            blank  log p(blank)
lm_weighted_full   token  log p(v) + f(v) + a log(1 - p(blank))      blank  (1 + a) log p(blank)

f is the fusion's score, a the weights of its models that are probabilities. A model says which token comes next, not
whether one does: with `no_score` every token pays for its f and a blank for nothing, so that texts become shorter. With
`lm_weighted_full` the model's probability of a token counts as its probability given that there is one.

late               the best symbols by these scores
early              the best symbols by log p, which then get these scores

Every hypothesis has its blanks. A token can only remain if its total score reaches the K-th best of its utterance's
blanks, and so a hypothesis whose most probable token would not with the models' best score needs no list of its tokens.

Source: NeMo's `malsd_batch` and NGPU-LM (Bataev et al., 2025).
"""

from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.search.fusion import Fusion
from jaxspeech.search.needed_rows import for_needed, put_rows
from jaxspeech.search.shortlist import SIZES, best_tokens

Pruning = Literal["late", "early"]
BlankScores = Literal["lm_weighted_full", "no_score"]
# log(1 - p(blank)) has this floor, NeMo's: one frame whose blank is certain shall not forbid a token for good.
_LEAST_NON_BLANK = 1e-2
# Of the hypotheses, how many have their tokens scored at a time: a third needs it in most iterations.
_SHARE = 2


class Rules(NamedTuple):
    """How the scores of fused models count in a transducer beam search; the equations above have the names."""

    pruning: Pruning = "late"
    blank_scores: BlankScores = "lm_weighted_full"


DEFAULT_RULES = Rules()


class Candidates(NamedTuple):
    """Candidates of each hypothesis: total score, symbol, frames to advance, log p of the symbol alone."""

    score: Float[Any, "B K C"]
    symbol: Int[Any, "B K C"]
    jump: Int[Any, "B K C"]
    log_prob: Float[Any, "B K C"]


def check_rules(rules: Rules) -> None:
    """Raises ConfigError for a rule that there is not."""
    for field, choices in zip(rules._fields, (Pruning, BlankScores), strict=True):
        if getattr(rules, field) not in get_args(choices):
            raise ConfigError(
                f"{field} {getattr(rules, field)!r}{did_you_mean(getattr(rules, field), get_args(choices))}"
            )


def expand(
    logits: Float[Any, "N W"],
    scores: Float[Any, "B K"],
    *,
    active: Bool[Any, "B K"],
    full: Bool[Any, "B K"],
    blank_id: int,
    durations: tuple[int, ...],
    big_blank_durations: tuple[int, ...],
    beam_size: int,
    fusion: Fusion | None = None,
    states: Any = None,
    rules: Rules = DEFAULT_RULES,
) -> Candidates:
    """Returns the extensions of each hypothesis among which are the best of its utterance.

    Args:
      logits: of the hypotheses' frames, N = B*K.
      scores: of the hypotheses; -inf of an empty slot.
      active: hypotheses that are extended. Another one is its own only candidate, in the first place.
      full: those whose frame has the maximum of tokens: they have only blanks.
      blank_id, durations, big_blank_durations, beam_size: as in `transducer_beam`.
      fusion, states: the models, and their states of the hypotheses.
      rules: how the models' scores count.
    """
    vocab_size = blank_id - len(big_blank_durations)
    jumps = jnp.array((*[0] * vocab_size, *big_blank_durations[::-1], 1), jnp.int32)
    weight = fusion.weight if fusion is not None and rules.blank_scores == "lm_weighted_full" else None
    log_probs = jax.nn.log_softmax(logits[:, : blank_id + 1], axis=-1)
    tokens, blanks = log_probs[:, :vocab_size], log_probs[:, vocab_size:].reshape(*scores.shape, -1)
    of_duration = jnp.zeros((*scores.shape, 1))
    if durations:
        of_duration = jax.nn.log_softmax(logits[:, blank_id + 1 :], axis=-1).reshape(*scores.shape, -1)

    def total(gains: Float[Array, "B K C"], *, first: bool) -> Float[Array, "B K E"]:
        """The scores of hypotheses with some symbols, and with every duration."""
        if durations:
            gains = last_two(gains[..., None] + of_duration[..., None, :])
        stay = jnp.where((jnp.arange(gains.shape[-1]) == 0) & first, 0, -jnp.inf)
        return scores[..., None] + jnp.where(active[..., None], gains, stay)

    def candidates(totals: Any, symbol: Any, log_prob: Any) -> Candidates:
        jump = jumps[symbol]
        if durations:
            symbol, log_prob, jump = jnp.broadcast_arrays(
                symbol[..., None], log_prob[..., None], jnp.array(durations, jnp.int32)
            )
            jump = jnp.where(symbol == blank_id, jnp.maximum(jump, 1), jump)
            symbol, log_prob, jump = map(last_two, (symbol, log_prob, jump))
        return Candidates(totals, symbol, jump, log_prob)

    if fusion is not None and rules.pruning == "early":
        allowed = jnp.where(full[..., None], -jnp.inf, tokens.reshape(*scores.shape, -1))
        gains, symbol, log_prob = _early(
            fusion, states, jnp.concatenate([allowed, blanks], axis=-1), vocab_size, beam_size, weight
        )
        return candidates(total(gains, first=True), symbol, log_prob)

    more, of_blanks = _weighted(blanks, weight)
    totals = total(of_blanks, first=True)
    least = _kth_best(last_two(totals), beam_size)[:, None] - scores - more
    if durations:
        least -= of_duration.max(-1)
    best_case = tokens.max(-1).reshape(scores.shape)
    if fusion is not None:
        best_case += fusion.bound(states)
    needed = active & ~full & (best_case >= least)
    best = _best_tokens(fusion, states, tokens, needed, least, count=min(beam_size, vocab_size))

    places = jnp.broadcast_to(jnp.arange(vocab_size, blank_id + 1, dtype=jnp.int32), blanks.shape)
    symbol = jnp.concatenate([places, best.tokens], axis=-1)
    log_prob = jnp.concatenate([blanks, best.log_probs], axis=-1)
    totals = jnp.concatenate([totals, total(best.scores + more[..., None], first=False)], axis=-1)
    return candidates(totals, symbol, log_prob)


def _kth_best(totals: Float[Array, "B C"], beam_size: int) -> Float[Array, " B"]:
    """Returns less than the `beam_size`-th best by more than all errors of rounding."""
    # A minimum: of a slice of its result, XLA's CPU compiler makes of top_k a sort.
    best = jax.lax.top_k(totals, beam_size)[0] if totals.shape[1] > beam_size else totals
    least = best.min(-1)
    return least - (1e-3 + 1e-6 * jnp.abs(least))


class _Listed(NamedTuple):
    """The best tokens of each hypothesis: their scores with the models', their ids, their log p."""

    scores: Float[Array, "*rows C"]
    tokens: Int[Array, "*rows C"]
    log_probs: Float[Array, "*rows C"]


def _best_tokens(
    fusion: Fusion | None,
    states: Any,
    log_probs: Float[Array, "N V"],
    needed: Bool[Array, "B K"],
    least: Float[Array, "B K"],
    *,
    count: int,
) -> _Listed:
    """Returns the best tokens of the hypotheses that need them, and tokens of score -inf for the others."""
    states, least = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), (states, least))
    inputs, of_row = (states, log_probs, least), needed.reshape(-1)
    zeros = jnp.zeros((needed.size, count))
    none = _Listed(zeros - jnp.inf, zeros.astype(jnp.int32), zeros)

    def best_of(inputs: Any, needed: Bool[Array, " N"], sizes: tuple[int, ...]) -> _Listed:
        states, log_probs, least = inputs
        if fusion is None:
            scores, tokens = jax.lax.top_k(log_probs, count)
            return _Listed(scores, tokens.astype(jnp.int32), scores)
        best = best_tokens(fusion, states, log_probs, count=count, needed=needed, least=least, sizes=sizes)
        return _Listed(*best, jnp.take_along_axis(log_probs, best.tokens, axis=-1))

    def of_some(rows: Any, needed: Bool[Array, " M"], results: _Listed) -> _Listed:
        # Without shortlists: on a CPU, the many best of the acoustic scores cost more than the models' of all tokens.
        return put_rows(needed, rows, results, best_of(jax.tree.map(lambda x: x[rows], inputs), needed, ()))

    def of_all(none: _Listed) -> _Listed:
        best = best_of(inputs, of_row, SIZES)
        return jax.tree.map(lambda new, old: jnp.where(of_row[:, None], new, old), best, none)

    best = for_needed(of_row, none, some=of_some, all_rows=of_all, share=_SHARE)
    return _Listed(*(x.reshape(*needed.shape, count) for x in best))


def _early(
    fusion: Fusion,
    states: Any,
    log_probs: Float[Array, "B K S"],
    vocab_size: int,
    beam_size: int,
    weight: Array | None,
) -> tuple[Float[Array, "B K C"], Int[Array, "B K C"], Float[Array, "B K C"]]:
    """Returns the scores of the best symbols by log p, the symbols, and log p."""
    acoustic, symbols = jax.lax.top_k(log_probs, min(beam_size, log_probs.shape[-1]))
    symbols = symbols.astype(jnp.int32)
    is_token = symbols < vocab_size
    fused = acoustic + fusion.candidates(states, jnp.where(is_token, symbols, 0))
    more, _ = _weighted(log_probs[..., vocab_size:], weight)
    of_blank = acoustic if weight is None else acoustic * (1 + weight)
    return jnp.where(is_token, fused + more[..., None], of_blank), symbols, acoustic


def _weighted(blanks: Float[Array, "B K M"], weight: Array | None) -> tuple[Float[Array, "B K"], Float[Array, "B K M"]]:
    """Returns what tokens get and the scores of blanks by `lm_weighted_full`, a = `weight`; None is `no_score`."""
    if weight is None:
        return jnp.zeros(blanks.shape[:-1], blanks.dtype), blanks
    blank = jnp.exp(jax.nn.logsumexp(blanks, axis=-1))
    return weight * jnp.log1p(-jnp.minimum(blank, 1 - _LEAST_NON_BLANK)), blanks * (1 + weight)


def last_two(x: Array) -> Array:
    """Reshapes [... M N] -> [... M*N]."""
    return x.reshape(*x.shape[:-2], -1)
