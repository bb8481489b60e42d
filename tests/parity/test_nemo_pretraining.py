"""Compares masked prediction with NeMo: codes, masks, encoder, losses and gradients, from NeMo's features.

Codes are compared wherever a real frame is: groups of padding have the zero vector, which is as near to every code.
"""

import subprocess
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.features.block_mask import BlockMask, MaskDraws
from jaxspeech.features.random_projection import group_frames, quantize
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.losses.masked import masked_nll
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.naming import by_nemo_name
from tests.parity.reference import arrays_of, reference

FAMILIES = ["nest_denoise", "nest_books", "nest_post_conv", "ssl_mlm"]


class Family(NamedTuple):
    """One .nemo file, NeMo's arrays, and our results from its features; gradients of the parameters or {}."""

    archive: Archive
    nemo: dict[str, np.ndarray]
    found: Any
    log_probs: np.ndarray
    loss: float
    loss_of_all_logits: float
    hidden: np.ndarray
    gradients: dict[str, Any]


def masks_of(nemo):
    """Returns NeMo's mask [B T] of the frames, and the numbers that it drew for it, if the file has them."""
    mask = nemo["time_mask"] if "time_mask" in nemo else nemo["masks"][:, 0]
    scores = nemo.get("mask_uniform", nemo.get("mask_uniform0"))
    if scores is None:  # a mask that was given: its blocks start wherever one of its frames is
        return mask.astype(bool), None
    return mask.astype(bool), MaskDraws(scores, nemo.get("mask_uniform1", np.zeros(len(scores), np.float32)))


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> Family:
    file, nemo, _ = reference(request.param, request)
    archive = load_nemo(file)
    mask, draws = masks_of(nemo)
    model = build(archive.model).model
    clean, noisy = (
        nemo[name].transpose(0, 2, 1) for name in ("feats", "noisy_feats" if "noisy_feats" in nemo else "feats")
    )
    lengths = nemo["feats_len"].astype(np.int32)
    if draws is None:  # single frames, so that the mask is the one that was given
        archive = archive._replace(model=archive.model | {"masking": archive.model["masking"] | {"block": 1}})
        model = build(archive.model).model
        draws = MaskDraws(np.where(mask, 0, 1).astype(np.float32), np.zeros(len(mask), np.float32))

    def run(model, clean, noisy, lengths, draws):
        found = model.masked_features(clean, noisy, lengths, draws)
        sums, logits = model.sums(found), model.decoder(found.encoded)
        every = masked_nll(logits, found.ids, found.selected)
        loss, all_at_once = (x.losses.sum() / x.count.sum() for x in (sums, every))
        hidden = noisy if model.mask_position == "subsampled" else model.masking(noisy, lengths, draws)[0]
        return loss, (found, jax.nn.log_softmax(logits, axis=2), all_at_once, hidden)

    def loss_of(params, rest, *inputs):
        return model.apply({**rest, "params": params}, *inputs, method=run)

    rest = {name: tree for name, tree in archive.variables.items() if name != "params"}
    with_gradients = any(name.startswith("grad.") for name in nemo)
    run_it = jax.value_and_grad(loss_of, has_aux=True) if with_gradients else loss_of
    outputs = jax.jit(run_it)(archive.variables["params"], rest, clean, noisy, lengths, draws)
    (loss, (found, *others)), gradients = outputs if with_gradients else (outputs, {})
    log_probs, all_at_once, hidden = jax.tree.map(np.asarray, others)
    return Family(archive, nemo, found, log_probs, float(loss), float(all_at_once), hidden, gradients)


def test_masks_and_codes(family):
    mask, _ = masks_of(family.nemo)
    np.testing.assert_array_equal(family.found.mask, mask)
    if "masked_feats" in family.nemo:
        np.testing.assert_array_equal(family.hidden, family.nemo["masked_feats"].transpose(0, 2, 1))
    if "loss_frame_mask" in family.nemo:
        np.testing.assert_array_equal(family.found.selected, family.nemo["loss_frame_mask"])
    group = family.archive.model["encoder"]["subsampling_factor"]
    for row, n in enumerate(family.nemo["feats_len"]):
        np.testing.assert_array_equal(
            family.found.ids[row, : -(-n // group)], family.nemo["tokens"][row, : -(-n // group)]
        )


def test_encoder_and_log_probs(family):
    lengths = family.nemo["enc_len"]
    np.testing.assert_array_equal(family.found.num_frames, lengths)
    encoded = family.nemo.get("enc_out", family.nemo.get("enc_out_masked"))
    # Of the masked prediction without noise the file has the log-probabilities without a mask.
    unmasked = "masks" in family.nemo
    for row, n in enumerate(lengths):
        if encoded is not None:
            np.testing.assert_allclose(family.found.encoded[row, :n], encoded[row, :, :n].T, atol=1e-4)
        if not unmasked:
            np.testing.assert_allclose(family.log_probs[row, :n], family.nemo["log_probs"][row, :n], atol=1e-4)


def test_losses(family):
    """With the logits of the masked frames alone, as with those of all frames."""
    np.testing.assert_allclose(family.loss, family.nemo["loss"], rtol=1e-5)
    np.testing.assert_allclose(family.loss_of_all_logits, family.nemo["loss"], rtol=1e-5)


def test_gradients(family):
    if not family.gradients:
        pytest.skip("the file has no gradients")
    ours, norms = (
        by_nemo_name(family.archive.model, family.gradients),
        dict(zip(family.nemo["grad_names"].tolist(), family.nemo["grad_norms"].tolist(), strict=True)),
    )
    assert {*norms} <= {*ours}
    whole = np.linalg.norm(list(norms.values()))
    for name, norm in norms.items():
        np.testing.assert_allclose(np.linalg.norm(ours[name][1]), norm, rtol=1e-4, atol=1e-6 * whole, err_msg=name)
    for name in (key.removeprefix("grad.") for key in family.nemo if key.startswith("grad.")):
        row, gradient = ours[name]
        theirs = row.transform.read(family.nemo[f"grad.{name}"])
        assert np.linalg.norm(gradient - theirs) <= 1e-4 * np.linalg.norm(theirs) + 1e-6 * whole, name


def test_features_from_audio(family):
    model = build(family.archive.model).model
    features = jax.jit(partial(model.apply, method="features"))
    for audio, feats in (("audio", "feats"), ("noisy_audio", "noisy_feats")):
        if audio in family.nemo:
            found, lengths = features({}, family.nemo[audio], family.nemo["audio_len"].astype(np.int32))
            theirs = family.nemo[feats].transpose(0, 2, 1)
            np.testing.assert_array_equal(lengths, family.nemo["feats_len"])
            np.testing.assert_allclose(found, theirs[:, : found.shape[1]], atol=1e-3)


SETTINGS = ["l2_1", "l2_2_c8", "l2_4_c4_squeeze", "l2_1_squeeze", "cosine_1", "cosine_2_c8"]


@pytest.mark.parametrize("name", SETTINGS)
def test_quantizers(name, request):
    nemo, notes = arrays_of("rp_quantizer", request)
    if name not in notes:
        pytest.skip(f"rp_quantizer has no {name}")
    settings = notes[name]
    x, codes, projection = nemo["x"].transpose(0, 2, 1), nemo[f"f64.{name}.codebooks"], nemo[f"{name}.proj"]
    group, books = settings.get("combine_time_steps", 1), settings["num_books"]
    lengths = jnp.full(len(x), x.shape[1])
    grouped = group_frames(jnp.asarray(x), lengths, group=group)
    weights = projection.T.reshape(projection.shape[1], books, -1)
    ids = quantize(grouped, jnp.asarray(weights, jnp.float32), jnp.asarray(codes, jnp.float32))
    for precision in ("as_built", "float32"):
        if f"{name}.{precision}.xid" in nemo:
            np.testing.assert_array_equal(ids, nemo[f"{name}.{precision}.xid"].reshape(ids.shape))


MASKS = ["mask_overlap", "mask_overlap_short", "mask_no_overlap", "mask_no_overlap_small", "mask_value"]


@pytest.mark.parametrize("name", MASKS)
def test_block_masks(name, request):
    nemo, notes = arrays_of("rp_quantizer", request)
    if name not in notes:
        pytest.skip(f"rp_quantizer has no {name}")
    config, lengths = notes[name]["config"], jnp.asarray(nemo[f"{name}.len"], jnp.int32)
    scores, offsets = (jnp.asarray(nemo.get(f"{name}.uniform{i}", np.zeros(len(lengths)))) for i in (0, 1))
    module = BlockMask(config["block_size"], config["mask_prob"], config["allow_overlap"], config.get("mask_value"))
    x, vector = jnp.asarray(nemo["mask_x"].transpose(0, 2, 1)), jnp.asarray(nemo[f"{name}.mask_embedding"])
    hidden, mask = module.apply({"constants": {"embedding": vector}}, x, lengths, MaskDraws(scores, offsets))
    np.testing.assert_array_equal(mask, nemo[f"{name}.time_mask"].astype(bool))
    np.testing.assert_array_equal(hidden, np.where(np.asarray(mask)[:, :, None], vector, x))


@pytest.mark.skipif(not NEMO_PYTHON, reason="no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
def test_nemo_restores_what_we_write(tmp_path, request):
    """Strictly, with float64 code books; its codes, and its log-probabilities without a mask, are ours."""
    rng = np.random.default_rng(0)
    archives = {name: load_nemo(reference(name, request)[0]) for name in FAMILIES}
    own = build(OWN)
    archives["own"] = Archive(OWN, {}, jax.device_get(jax.jit(own.init)(jax.random.key(0))), {})
    inputs = {"samples": rng.standard_normal((2, 20480)).astype(np.float32), "num_samples": np.array([20480, 14080])}
    for name, archive in archives.items():
        save_nemo(tmp_path / f"{name}.nemo", **archive._asdict())
        np.savez(tmp_path / f"{name}.inputs.npz", **inputs)
    script = Path(__file__).with_name("pretraining_with_nemo.py")
    subprocess.run([NEMO_PYTHON, str(script), str(tmp_path)], check=True, capture_output=True, timeout=600)

    def run(model, samples, num_samples):
        features, num_frames = model.features(samples, num_samples)
        never = MaskDraws(jnp.ones(features.shape[:2]), jnp.zeros(len(samples)))
        found = model.masked_features(features, features, num_frames, never)
        return found, jax.nn.log_softmax(model.decoder(found.encoded), axis=2)

    for name, archive in archives.items():
        model = build(archive.model | {"masking": archive.model["masking"] | {"overlap": True}}).model
        found, log_probs = jax.jit(partial(model.apply, method=run))(archive.variables, *inputs.values())
        with np.load(tmp_path / f"{name}.outputs.npz") as outputs:
            assert outputs["codes_dtype"] == "torch.float64"
            for row, n in enumerate(np.asarray(found.num_frames)):
                np.testing.assert_array_equal(found.ids[row, :n], outputs["tokens"][row, :n], err_msg=name)
                np.testing.assert_allclose(log_probs[row, :n], outputs["log_probs"][row, :n], atol=1e-3, err_msg=name)


OWN = {
    "task": "pretrain",
    "features": {"name": "mel", "num_mels": 16, "pad_to": 16},
    "encoder": {
        **{"name": "fastconformer", "num_layers": 2, "width": 16, "num_heads": 2, "subsampling": "dw_striding"},
        **{"subsampling_channels": 8, "norm_over_padding": True, "output_width": None, "conv_kernel": 5},
    },
    "quantizer": {"name": "random_projection", "num_codes": 24, "num_books": 3, "code_dim": 5},
    "masking": {"name": "blocks", "trained": True},
    "decoder": {"name": "softmax", "num_codes": 24, "num_books": 3, "use_bias": False},
}
