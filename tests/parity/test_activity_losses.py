"""Compares the losses and the targets of speakers' activity with NeMo's."""

import jax
import numpy as np
import pytest

from jaxspeech.diarization.rttm import read_rttm
from jaxspeech.diarization.targets import activity_of_turns
from jaxspeech.losses.permutation import activity_losses, arrival_allows, best_order, reordered
from jaxspeech.training.reduction import sum_losses
from tests.parity.reference import arrays_of

ONLY = {"ats": {"pil_weight": 0.0}, "pil": {"ats_weight": 0.0}}


def inputs(arrays, names=("bce.probs", "bce.targets", "bce.len")):
    probs, targets, lengths = (arrays[name] for name in names)
    exact = probs.astype(np.float64)
    with np.errstate(divide="ignore"):
        logits = np.log(exact) - np.log1p(-exact)
    # As in PyTorch, whose logarithms end at -100; NeMo's probabilities are 0 beyond the frames of a recording.
    return np.clip(logits, -100, 100).astype(np.float32), targets.astype(np.float32), lengths.astype(np.int32)


def mean_of(rows):
    sums = sum_losses(rows, np.arange(len(rows.losses), dtype=np.int32), reduction="mean_volume")
    return sums.losses / sums.weight("mean_volume")


@pytest.mark.parametrize("kind", ONLY)
def test_losses_gradients_and_sorted_targets(request, kind):
    arrays, _ = arrays_of("spk_losses", request)
    logits, targets, lengths = inputs(arrays)
    loss, grads = jax.jit(jax.value_and_grad(lambda x: mean_of(activity_losses(x, targets, lengths, **ONLY[kind]))))(
        logits
    )
    np.testing.assert_allclose(loss, arrays[f"bce.{kind}.loss"], rtol=1e-6)
    probs = arrays["bce.probs"]
    # NeMo's gradient is that of the probabilities.
    np.testing.assert_allclose(grads, arrays[f"bce.{kind}.grad"] * probs * (1 - probs), atol=1e-7)

    probs = np.where(np.arange(probs.shape[1])[:, None] < lengths[:, None, None], probs, 0)
    scores = np.einsum("btc,btd->bcd", targets, probs)
    order = best_order(scores, arrival_allows(targets) if kind == "ats" else None)
    np.testing.assert_array_equal(reordered(targets, order), arrays[f"bce.{kind}_targets"])


@pytest.mark.parametrize("normalization", ["class", "binary", "class_binary"])
def test_weightings(request, normalization):
    """NeMo sums over frames and speakers, where we take the mean."""
    arrays, notes = arrays_of("spk_losses", request)
    logits, targets, lengths = inputs(arrays)
    found = {
        kind: float(mean_of(activity_losses(logits, targets, lengths, class_normalization=normalization, **weights)))
        for kind, weights in ONLY.items()
    }
    total = lengths.sum() * targets.shape[-1]
    np.testing.assert_allclose(found["ats"] * total, notes[f"bce_{normalization}"], rtol=1e-5)


def test_losses_of_a_model(request):
    arrays, _ = arrays_of("sortformer", request)
    logits, targets, lengths = inputs(arrays, ("preds", "spk_targets", "spk_target_len"))
    rows = activity_losses(logits, targets, lengths)
    for kind, weights in ONLY.items():
        loss = mean_of(activity_losses(logits, targets, lengths, **weights))
        np.testing.assert_allclose(loss, arrays[f"{kind}_loss"], rtol=1e-5)
    both = (arrays["ats_loss"] + arrays["pil_loss"]) / 2
    np.testing.assert_allclose(mean_of(rows), both, rtol=1e-5)


def test_targets_equal_nemos(request, refs):
    arrays, _ = arrays_of("sortformer_targets", request)
    names = [name.removesuffix(".soft") for name in arrays if name.endswith(".soft")]
    folder = refs.parents[1] / "data"
    for name in names:
        recording, times = name.split(".", 1)
        path = next(
            (p for p in (folder / "ami_diar", folder / "voxconverse_rttm") if (p / f"{recording}.rttm").exists()), None
        )
        if path is None:
            pytest.skip(f"{folder} has no {recording}.rttm")
        [turns] = read_rttm(path / f"{recording}.rttm").values()
        offset, seconds = map(float, times.split("_"))
        expected = arrays[f"{name}.soft"]
        found = activity_of_turns(turns, most_speakers=expected.shape[1], seconds=seconds, offset=offset)
        assert len(found.shares) == arrays[f"{name}.len"]
        np.testing.assert_allclose(found.shares, expected, atol=1e-6, err_msg=name)
        np.testing.assert_array_equal(found.shares >= 0.5, expected >= 0.5, err_msg=name)
    assert names
