"""The search of a model with an attention decoder: from encoder frames and prompts to texts, as its options say."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.attention import Past
from jaxspeech.search.attention import attention_greedy
from jaxspeech.search.attention_beam import attention_beam
from jaxspeech.search.fusion import fusion_of
from jaxspeech.search.joint import Joint, ctc_joint
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.asked import Drawn
from jaxspeech.tasks.attention_model import AttentionModel, decoder_apply
from jaxspeech.types import Variables


def decode_best(
    model: AttentionModel,
    variables: Variables,
    encoded: Float[Array, "B T D"],
    num_frames: Int[Array, " B"],
    prompt: Int[Any, "B P"],
    num_prompt: Int[Any, " B"],
    *,
    num_best: int = 1,
    most_repeats: Int[Any, " B"] | None = None,
    drawn: Drawn | None = None,
) -> list[Tokens]:
    """Finds the best texts after each prompt, the best first; or draws one, see `Asked`.

    The models that the variables hold (`search.fusion`) are added to the decoder's scores.
    """
    apply, options, decoder = decoder_apply(model, variables), model.search, model.decoder
    most = decoder.max_length
    if isinstance(encoded.shape[1], int):  # not a symbol of `jax.export`
        most = max(min(most, encoded.shape[1] + options.more_than_frames), 1)
    limits = text_limits(model, num_frames, num_prompt)
    logits, memory, past = apply(encoded, num_frames, prompt, num_prompt, method="start", room=prompt.shape[1] + most)

    def step(ids: Array, past: Past) -> tuple[Array, Past]:
        logits, past = apply(ids, memory, past, method="step")
        return logits, past

    shared = {
        **{"end_id": decoder.end_id, "vocab_size": decoder.vocab_size, "most_tokens": most, "limits": limits},
        **{"least_tokens": options.least_tokens, "most_repeats": most_repeats},
        "fusion": fusion_of(variables, encoded.shape[0]),
    }
    if drawn is not None:
        keys = jax.vmap(jax.random.key)(drawn.seed)
        return [attention_greedy(step, logits, past, temperature=drawn.temperature, keys=keys, **shared)]
    if options.beam_size == 1 and not options.ctc_weight:
        return [attention_greedy(step, logits, past, **shared)]
    return attention_beam(
        step,
        logits,
        past,
        select=select_hypotheses,
        beam_size=options.beam_size,
        length_penalty=options.length_penalty,
        num_best=num_best,
        joint=_ctc_scores(model, variables, encoded, num_frames) if options.ctc_weight else None,
        **shared,
    )


def text_limits(model: AttentionModel, num_frames: Int[Array, " B"], num_prompt: Int[Any, " B"]) -> Int[Array, " B"]:
    """Computes the most tokens of the text of each recording; see `AttentionSearch.more_than_frames`.

    A row's own length decides, not that of the batch, so that its text does not depend on the others. A long prompt
    takes nothing from as many tokens as there are frames.
    """
    num_prompt, more = jnp.asarray(num_prompt), model.search.more_than_frames
    return jnp.minimum(num_frames + jnp.maximum(more - num_prompt, min(more, 0)), model.decoder.max_length - num_prompt)


def _ctc_scores(model: AttentionModel, variables: Variables, encoded: Array, num_frames: Array) -> Joint:
    apply: Any = model.apply
    return ctc_joint(
        apply(variables, encoded, method="frame_log_probs"),
        num_frames,
        num_tokens=model.decoder.num_outputs,
        end_id=model.decoder.end_id,
        weight=model.search.ctc_weight,
        candidates=model.search.ctc_candidates,
    )


def select_hypotheses(past: Past, parents: Int[Array, "B K"]) -> Past:
    """Returns the past of the given hypotheses of each row: it says where their keys and values are, and moves none."""
    more = max(parents.shape[1] - past.layers[0].keys.shape[3], 0)
    layers = past.layers
    if more:  # at the start of a search there was room for one hypothesis
        layers = jax.tree.map(lambda x: jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, more), (0, 0))), layers)
    return past._replace(layers=layers, slots=jnp.take_along_axis(past.slots, parents[..., None], axis=1))
