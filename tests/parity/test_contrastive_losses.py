"""Compares contrastive losses with NeMo's, for every way of choosing negatives: values, ids, and gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.losses.contrastive import contrastive_code_loss, contrastive_loss
from jaxspeech.quantizers.gumbel import GumbelQuantizer, LinearTargets, joint_ids, perplexities
from jaxspeech.quantizers.repeats import merge_repeats
from tests.parity.reference import arrays_of

LOSS, GRADIENTS = 1e-5, 1e-4
# Defaults of NeMo's ContrastiveLoss.
DEFAULTS = {"prob_ppl_weight": 0.1, "logit_temp": 0.1, "multiplier": 16.0, "mask_threshold": 0.8, "num_groups": 2}


def ways(settings):
    return [name for name, found in settings.items() if name.startswith("cl_") and isinstance(found, dict)]


def of_nemo(name, nemo):
    """The parameters, or gradients, in our layout."""
    found = {key.removeprefix(f"{name}."): value for key, value in nemo.items() if key.startswith(f"{name}.")}
    if "target_proj.weight" in found:
        return {"out": {"kernel": found["target_proj.weight"].T, "bias": found["target_proj.bias"]}}
    logits = {"kernel": found["quantizer.weight_proj.weight"].T, "bias": found["quantizer.weight_proj.bias"]}
    return {"codes": found["quantizer.vars"][0], "logits": logits}


def negatives_of(nemo, name, masked, *, whole, number):
    """NeMo's draw, which is the same for all its rows, as ours: one for each frame."""
    drawn = nemo[f"{name}.multinomial0"]
    if whole:
        masked = masked.reshape(1, -1)
    found = np.zeros((*masked.shape, number), np.int32)
    for row, chosen in enumerate(masked):
        found[row, chosen] = drawn
    return found


def codes_of(nemo, name, masked, *, number, size):
    """The digits of the codes that are drawn."""
    drawn = nemo[f"{name}.randint0"].reshape(number, -1).T  # [frames, negatives]
    found = np.zeros((*masked.shape, number, 2), np.int32)
    found[masked] = np.stack([drawn // size, drawn % size], -1)
    return found


NAMES = ["cl_same_utt", "cl_same_utt_non_masked", "cl_batch", "cl_batch_non_masked", "cl_many_negatives", "cl_mean"]
NAMES += [f"cl_quant{kind}{train}" for kind in ("", "_reduce", "_codebook") for train in ("", "_train")]


@pytest.mark.parametrize("name", NAMES)
def test_losses_and_gradients(name, request):
    nemo, settings = arrays_of("ssl_contrastive", request)
    if name not in settings:
        pytest.skip(f"there is no {name}")
    assert {*ways(settings)} <= {*NAMES}
    chosen = DEFAULTS | settings[name]
    number, steps = chosen["num_negatives"], chosen["combine_time_steps"]
    spec, mask, dec = nemo["cl.spec"].transpose(0, 2, 1), nemo["cl.mask"], nemo["cl.dec"]
    rows, frames = dec.shape[:2]
    groups = jnp.asarray(spec.reshape(rows, frames, -1))
    masked = mask.reshape(rows, frames, steps).mean(-1) > chosen["mask_threshold"]
    whole = not chosen.get("sample_from_same_utterance_only", True)
    quantized, noise, temperature = chosen.get("quantized_targets", False), None, 1.0
    quantizer: Any = LinearTargets(chosen["proj_dim"])
    if quantized:
        quantizer = GumbelQuantizer(chosen["codebook_size"], chosen["proj_dim"], chosen["num_groups"])
        if f"{name}.gumbel" in nemo:
            noise = nemo[f"{name}.gumbel"].reshape(rows, frames, chosen["num_groups"], -1)
            temperature = settings[f"{name}.temp"]
    in_one = (lambda x: x.reshape(1, -1, *x.shape[2:])) if whole else (lambda x: x)

    def loss(params: Any, outputs: Any) -> Any:
        found = quantizer.apply({"params": params}, groups, noise, temperature)
        if chosen.get("sample_from_codebook"):
            drawn = codes_of(nemo, name, masked, number=number, size=chosen["codebook_size"])
            losses, _ = contrastive_code_loss(
                outputs, found.same, found.codes, drawn, found.values, masked, temperature=chosen["logit_temp"]
            )
        else:
            losses, _ = contrastive_loss(
                in_one(outputs),
                in_one(found.values),
                negatives_of(nemo, name, masked, whole=whole, number=number),
                in_one(masked),
                candidates=in_one(np.ones_like(masked) if chosen.get("sample_from_non_masked") else masked),
                same=in_one(found.same),
                temperature=chosen["logit_temp"],
            )
        total = losses.sum() / (masked.sum() if chosen.get("reduce") == "mean" else 1)
        if quantized:
            codes = chosen["num_groups"] * chosen["codebook_size"]
            even = perplexities(found.logits, np.ones_like(masked)).sum() / codes
            total += chosen["prob_ppl_weight"] * masked.sum() * (1 - even)
        ids = joint_ids(found.ids, chosen["codebook_size"]) if quantized else None
        return total * chosen["multiplier"] / rows, ids

    params = of_nemo(f"{name.removesuffix('_train')}.param", nemo)
    gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    (found, ids), (of_params, of_outputs) = gradient(params, jnp.asarray(dec))
    np.testing.assert_allclose(found, nemo[f"{name}.loss"], rtol=LOSS)
    wanted = of_nemo(f"{name}.grad", nemo), nemo[f"{name}.grad_dec"]
    for ours, theirs in zip(jax.tree.leaves((of_params, of_outputs)), jax.tree.leaves(wanted), strict=True):
        assert np.linalg.norm(ours - theirs) <= GRADIENTS * np.linalg.norm(theirs)
    if ids is None:
        return
    if chosen.get("reduce_ids"):
        ids, count = merge_repeats(ids, np.full(rows, frames))
        np.testing.assert_array_equal(count, nemo[f"{name}.id_len"])
        ids = ids[:, : nemo[f"{name}.ids"].shape[1]]
    np.testing.assert_array_equal(ids, nemo[f"{name}.ids"])
