"""Compares transducer losses and gradients with NeMo's, whose float32 logarithms have errors up to 2e-5."""

import json
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxspeech.losses.transducer import multiblank_rnnt_loss, rnnt_loss, tdt_loss
from tests.losses.oracles_transducer import QUICK_COMPILE


def value_and_grad(loss, logits, *lengths):
    def total(logits):
        losses = loss(logits, *lengths)
        return losses.sum(), losses

    grads, losses = jax.jit(jax.grad(total, has_aux=True), compiler_options=QUICK_COMPILE)(logits)
    return losses, grads


def of_losses(arrays):
    return arrays["rnnt_T"], arrays["rnnt_targets"], arrays["rnnt_U"]


def of_model(arrays):
    return arrays["joint_raw"], arrays["enc_out_len"], arrays["targets"], arrays["target_len"]


@pytest.mark.parametrize("fastemit, clamp", [(0.0, -1.0), (0.01, 0.3)])
def test_rnnt(refs, fastemit, clamp):
    arrays = np.load(refs / "losses.npz")
    logits = arrays["rnnt_logits"]
    loss = partial(rnnt_loss, blank_id=logits.shape[-1] - 1, fastemit=fastemit, clamp=clamp)
    losses, grads = value_and_grad(loss, logits, *of_losses(arrays))
    np.testing.assert_allclose(losses, arrays[f"rnnt_loss_fe{fastemit}_clamp{clamp}"], rtol=1e-5)
    np.testing.assert_allclose(grads, arrays[f"rnnt_grad_fe{fastemit}_clamp{clamp}"], atol=1e-5)


@pytest.mark.parametrize(
    "durations, sigma", [((0, 1, 2, 3, 4), 0.05), ((0, 1, 2), 0.0), ((1, 2, 4), 0.05), ((0, 1, 2, 4, 8), 0.05)]
)
def test_tdt(refs, durations, sigma):
    arrays = np.load(refs / "losses.npz")
    name = "tdt_" + "_".join(map(str, durations))
    logits = arrays[f"{name}_logits"]
    blank_id = logits.shape[-1] - len(durations) - 1
    loss = partial(tdt_loss, blank_id=blank_id, durations=durations, sigma=sigma)
    losses, grads = value_and_grad(loss, logits, *of_losses(arrays))
    np.testing.assert_allclose(losses, arrays[f"{name}_loss_s{sigma}"], rtol=1e-5)
    np.testing.assert_allclose(grads, arrays[f"{name}_grad_s{sigma}"], atol=2e-6)


def test_rnnt_of_a_model(refs):
    arrays = np.load(refs / "fc_rnnt_bpe.npz")
    logits, *lengths = of_model(arrays)
    blank_id = logits.shape[-1] - 1
    losses, grads = value_and_grad(partial(rnnt_loss, blank_id=blank_id), logits, *lengths)
    np.testing.assert_allclose(losses, arrays["loss_numba"], rtol=1e-5)
    np.testing.assert_allclose(losses, arrays["loss_pytorch"], rtol=1e-5)
    np.testing.assert_allclose(grads, arrays["grad_joint_sum"], atol=3e-5)
    losses, grads = value_and_grad(partial(rnnt_loss, blank_id=blank_id, fastemit=0.1), logits, *lengths)
    np.testing.assert_allclose(losses.sum(), arrays["loss_fastemit0.1_sum"], rtol=1e-5)
    np.testing.assert_allclose(grads[2], arrays["grad_joint_fastemit0.1_utt2"], atol=3e-5)


def test_tdt_of_a_model(refs):
    arrays, notes = np.load(refs / "fc_tdt_bpe.npz"), json.loads((refs / "fc_tdt_bpe.json").read_text())
    logits, *lengths = of_model(arrays)
    blank_id, durations = notes["blank_id"], tuple(notes["durations"])
    plain = tdt_loss(logits, *lengths, blank_id=blank_id, durations=durations)
    np.testing.assert_allclose(plain, arrays["loss_pytorch_sigma0"], rtol=1e-5)
    loss = partial(tdt_loss, blank_id=blank_id, durations=durations, sigma=notes["sigma"])
    losses, grads = value_and_grad(loss, logits, *lengths)
    np.testing.assert_allclose(losses, arrays["loss_pytorch_sigma"], rtol=1e-5)
    np.testing.assert_allclose(grads, arrays["grad_joint_sum_sigma"], atol=1e-5)
    tokens = logits[..., : -len(durations)]  # with omega the loss is that without durations
    np.testing.assert_allclose(
        rnnt_loss(tokens, *lengths, blank_id=blank_id), arrays["loss_rnnt_tokens_only"], rtol=1e-5
    )


def test_multiblank_of_a_model(refs):
    arrays = np.load(refs / "fc_multiblank_rnnt.npz")
    config = json.loads((refs / "fc_multiblank_rnnt.json").read_text())["config"]["loss"]["multiblank_rnnt_kwargs"]
    logits, *lengths = of_model(arrays)
    durations = tuple(config["big_blank_durations"])
    loss = partial(multiblank_rnnt_loss, blank_id=logits.shape[-1] - 1, big_blank_durations=durations)
    losses = loss(logits, *lengths, sigma=config["sigma"])
    np.testing.assert_allclose(losses, arrays["loss_pytorch"], rtol=1e-5)


@pytest.mark.parametrize("choice", [0, 1])
def test_lattices_with_wildcards(choice):
    """The losses over NeMo's own lattices, of rows of different lengths in one batch."""
    nemo = json.loads((Path(__file__).parent / "references" / "wildcard.json").read_text())
    logits, labels = ([np.array(row[key]) for row in nemo["rows"]] for key in ("logits", "labels"))
    num_frames, num_labels = (np.array([len(x) for x in rows]) for rows in (logits, labels))
    blank_id = logits[0].shape[-1] - 1
    padded = np.full((len(logits), max(num_frames), max(num_labels) + 1, blank_id + 1), np.nan, np.float32)
    padded_labels = np.zeros((len(logits), max(num_labels)), np.int32)
    for row, (x, y) in enumerate(zip(logits, labels, strict=True)):
        padded[row, : len(x), : len(y) + 1], padded_labels[row, : len(y)] = x, y
    losses = rnnt_loss(padded, num_frames, padded_labels, num_labels, blank_id=blank_id, **nemo["options"][choice])
    np.testing.assert_allclose(losses, nemo["losses"][choice], rtol=1e-6, atol=1e-6)
