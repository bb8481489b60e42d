"""Compares CTC losses, gradients and reductions with NeMo's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.training.reduction import REDUCTIONS, sum_losses
from jaxspeech.types import RowLosses


@pytest.mark.parametrize("family", ["fc_ctc_bpe", "conformer_ctc_char"])
def test_ctc_of_a_model(refs, family):
    arrays = np.load(refs / f"{family}.npz")
    log_probs, blank_id = arrays["log_probs"], arrays["log_probs"].shape[-1] - 1
    losses = ctc_loss(log_probs, arrays["enc_out_len"], arrays["targets"], arrays["target_len"], blank_id=blank_id)
    np.testing.assert_allclose(losses, arrays["ctc_loss_per_utt"], rtol=1e-5)


def test_ctc_losses_and_gradients(refs):
    arrays = np.load(refs / "losses.npz")
    log_probs, blank_id = arrays["ctc_log_probs"], arrays["ctc_log_probs"].shape[-1] - 1
    args = arrays["ctc_T"], arrays["ctc_targets"], arrays["ctc_U"]

    def total(log_probs):
        losses = ctc_loss(log_probs, *args, blank_id=blank_id)
        return losses.sum(), losses

    grads, losses = jax.jit(jax.grad(total, has_aux=True))(log_probs)
    np.testing.assert_allclose(losses, arrays["ctc_none"], rtol=1e-5)
    # NeMo's gradient is that of log-probabilities; ours is that of logits, through the softmax.
    wrt_log_probs = arrays["ctc_grad_sum_wrt_logprobs"]
    expected = wrt_log_probs - np.exp(log_probs) * wrt_log_probs.sum(-1, keepdims=True)
    np.testing.assert_allclose(grads, expected, atol=1e-5)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reductions(refs, reduction):
    arrays = np.load(refs / "losses.npz")
    losses, num_labels = jnp.asarray(arrays["rnnt_loss_fe0.0_clamp-1.0"]), arrays["rnnt_U"].astype(np.int32)
    index = np.arange(len(losses), dtype=np.int32)
    sums = sum_losses(RowLosses(losses, jnp.float32(num_labels), {}), index, reduction=reduction)
    np.testing.assert_allclose(sums.losses / sums.weight(reduction), arrays[f"rnnt_red_{reduction}"], rtol=1e-5)
