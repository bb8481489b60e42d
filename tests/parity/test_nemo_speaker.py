"""Compares speaker models with NeMo's: embeddings, and losses with gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.losses.margin import angular_margin_loss
from tests.parity.reference import inputs_of, reference

FAMILIES = ("titanet", "speakernet", "ecapa")


def off(ours, theirs):
    """The largest difference relative to the largest value."""
    return np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()


@pytest.mark.parametrize("name", FAMILIES)
def test_embeddings_equal_those_of_each_clip_alone(name, request, tmp_path):
    path, nemo, _ = reference(name, request)
    archive = load_nemo(path)
    model = build(archive.model).model

    def run(model, samples, num_samples, features, num_frames):
        return model(samples, num_samples), model.classify(*model.encode_features(features, num_frames))

    audio = nemo["audio"], nemo["audio_len"].astype(np.int32)
    apply = jax.jit(lambda variables, *x: model.apply(variables, *x, method=run))
    found = apply(archive.variables, *audio, *inputs_of(nemo))
    for (logits, embeddings), tolerance in zip(found, (1e-3, 1e-4), strict=True):
        for i in range(len(logits)):
            assert off(embeddings[i], nemo[f"embs_single.{i}"][0]) <= tolerance
            assert off(logits[i], nemo[f"logits_single.{i}"][0]) <= tolerance
    assert save_nemo(tmp_path / "again.nemo", **archive._asdict()) == []
    again = load_nemo(tmp_path / "again.nemo")
    assert again.model == archive.model and again.assets["classes"].names == archive.assets["classes"].names
    jax.tree.map(np.testing.assert_array_equal, again.variables, archive.variables)


def test_angular_losses_and_gradients(refs):
    with np.load(refs / "spk_losses.npz") as file:
        nemo = dict(file)
    labels = nemo["labels"].astype(np.int32)
    for key in [key for key in nemo if key.startswith("ang.") and key.endswith(".loss")]:
        stem, kind = key.removesuffix(".loss"), key.split(".")[1]
        scale, margin = stem.partition(f"{kind}.")[2].removeprefix("s").split("_m")
        options = {"scale": float(scale), "margin": float(margin)}

        def mean(logits, options=options):
            return angular_margin_loss(logits, labels, **options).mean()

        loss, grad = jax.value_and_grad(mean)(jnp.asarray(nemo[f"ang.{kind}.logits"]))
        assert np.isfinite(loss) and np.isfinite(grad).all(), key
        if np.isfinite(nemo[key]):
            np.testing.assert_allclose(loss, nemo[key], rtol=1e-5, atol=1e-5, err_msg=key)
            theirs = nemo[f"{stem}.grad"]
            np.testing.assert_allclose(grad, theirs, atol=1e-4 * max(np.abs(theirs).max(), 1e-3), err_msg=key)
