"""The symbols by which a transducer beam search may extend its hypotheses, with acoustic and fused scores.

no_score           token  log p(v) + f(v)                            blank  log p(blank)
lm_weighted_full   token  log p(v) + f(v) + a log(1 - p(blank))      blank  (1 + a) log p(blank)

f is the fusion's score, a the weights of its models that are probabilities. A model says which token comes next, not
whether one does: with `no_score` every token pays for its f and a blank for nothing, so that texts become shorter. With
`lm_weighted_full` the model's probability of a token counts as its probability given that there is one.

late               the best symbols by these scores
early              the best symbols by log p, which then get these scores

Source: NeMo's `malsd_batch` and NGPU-LM (Bataev et al., 2025).
"""

from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.search.fusion import Fusion
from jaxspeech.search.shortlist import best_tokens

Pruning = Literal["late", "early"]
BlankScores = Literal["lm_weighted_full", "no_score"]
# log(1 - p(blank)) has this floor, NeMo's: one frame whose blank is certain shall not forbid a token for good.
_LEAST_NON_BLANK = 1e-2


class Rules(NamedTuple):
    """How the scores of fused models count in a transducer beam search; the equations above have the names."""

    pruning: Pruning = "late"
    blank_scores: BlankScores = "lm_weighted_full"


DEFAULT_RULES = Rules()


class Candidates(NamedTuple):
    """Candidate extensions of each hypothesis: score, symbol, frames to advance, log p of the symbol alone."""

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
    logits: Float[Any, "B K W"],
    full: Bool[Any, "B K"],
    *,
    blank_id: int,
    durations: tuple[int, ...],
    big_blank_durations: tuple[int, ...],
    beam_size: int,
    fusion: Fusion | None = None,
    states: Any = None,
    active: Any = None,
    rules: Rules = DEFAULT_RULES,
) -> Candidates:
    """Returns the best extensions of each hypothesis; only blanks if its frame has the maximum of tokens (`full`).

    Args:
      logits: of the hypotheses' frames.
      full: as above.
      blank_id, durations, big_blank_durations, beam_size: as in `transducer_beam`.
      fusion, states: the models, and their states of the hypotheses.
      active: hypotheses that are extended; needed with a fusion.
      rules: how the models' scores count.
    """
    vocab_size = blank_id - len(big_blank_durations)
    log_probs = jax.nn.log_softmax(logits[..., : blank_id + 1], axis=-1)
    log_probs = jnp.where(full[..., None] & (jnp.arange(blank_id + 1) < vocab_size), -jnp.inf, log_probs)
    if fusion is None:
        score, symbol = jax.lax.top_k(log_probs, min(beam_size, blank_id + 1))
        log_prob = score
    else:
        chosen = _late if rules.pruning == "late" else _early
        weight = fusion.weight if rules.blank_scores == "lm_weighted_full" else None
        score, symbol = chosen(
            fusion, states, log_probs, active & ~full, vocab_size=vocab_size, beam_size=beam_size, weight=weight
        )
        log_prob = jnp.take_along_axis(log_probs, symbol, axis=-1)
    if not durations:
        jumps = jnp.array((*[0] * vocab_size, *big_blank_durations[::-1], 1), jnp.int32)
        return Candidates(score, symbol, jumps[symbol], log_prob)

    of_duration = jax.nn.log_softmax(logits[..., blank_id + 1 :], axis=-1)
    score, symbol, of_duration, jump = jnp.broadcast_arrays(
        score[..., None], symbol[..., None], of_duration[..., None, :], jnp.array(durations, jnp.int32)
    )
    log_prob = score if fusion is None else jnp.broadcast_to(log_prob[..., None], score.shape)
    jump = jnp.where(symbol == blank_id, jnp.maximum(jump, 1), jump)
    return Candidates(*map(last_two, (score + of_duration, symbol, jump, log_prob)))


def _late(
    fusion: Fusion,
    states: Any,
    log_probs: Float[Array, "B K S"],
    needed: Bool[Array, "B K"],
    *,
    vocab_size: int,
    beam_size: int,
    weight: Array | None,
) -> tuple[Float[Array, "B K C"], Int[Array, "B K C"]]:
    tokens, blanks = log_probs[..., :vocab_size], log_probs[..., vocab_size:]
    best = best_tokens(fusion, states, tokens, count=min(beam_size, vocab_size), needed=needed)
    of_token, blanks = _weighted(best.scores, blanks, blanks, weight)
    scores = jnp.concatenate([of_token, blanks], axis=-1)
    places = jnp.broadcast_to(jnp.arange(vocab_size, log_probs.shape[-1], dtype=jnp.int32), blanks.shape)
    symbols = jnp.concatenate([best.tokens, places], axis=-1)
    scores, place = jax.lax.top_k(scores, min(beam_size, scores.shape[-1]))
    return scores, jnp.take_along_axis(symbols, place, axis=-1)


def _early(
    fusion: Fusion,
    states: Any,
    log_probs: Float[Array, "B K S"],
    needed: Bool[Array, "B K"],
    *,
    vocab_size: int,
    beam_size: int,
    weight: Array | None,
) -> tuple[Float[Array, "B K C"], Int[Array, "B K C"]]:
    acoustic, symbols = jax.lax.top_k(log_probs, min(beam_size, log_probs.shape[-1]))
    symbols = symbols.astype(jnp.int32)
    is_token = symbols < vocab_size
    fused = acoustic + fusion.candidates(states, jnp.where(is_token, symbols, 0))
    of_token, blanks = _weighted(fused, acoustic, log_probs[..., vocab_size:], weight)
    return jnp.where(is_token, of_token, blanks), symbols


def _weighted(
    tokens: Float[Array, "B K C"],
    blanks: Float[Array, "B K N"],
    all_blanks: Float[Array, "B K M"],
    weight: Array | None,
) -> tuple[Float[Array, "B K C"], Float[Array, "B K N"]]:
    """Returns the scores of tokens and blanks by `lm_weighted_full`, with a = `weight`; None is `no_score`."""
    if weight is None:
        return tokens, blanks
    blank = jnp.exp(jax.nn.logsumexp(all_blanks, axis=-1, keepdims=True))
    non_blank = jnp.log1p(-jnp.minimum(blank, 1 - _LEAST_NON_BLANK))
    return tokens + weight * non_blank, blanks * (1 + weight)


def last_two(x: Array) -> Array:
    """Reshapes [... M N] -> [... M*N]."""
    return x.reshape(*x.shape[:-2], -1)
