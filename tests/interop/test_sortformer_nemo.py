"""Sortformer models as .nemo files: of own recipes, of published sizes, and what has no counterpart."""

import copy
from functools import partial

import jax
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.model_config import from_nemo
from tests.interop.random_model import random_variables
from tests.tasks.test_sortformer import MODEL

STREAMING = {"scale_audio": False, "streaming": {"chunk": 6, "right": 7, "queue": 188, "update": 144, "silence": 2}}
STREAMING |= {"features": MODEL["features"] | {"normalize": "none"}, "loss": {"ats_weight": 1.0, "pil_weight": 0.0}}


def published(*, streaming):
    """NeMo's configuration of diar_sortformer_4spk-v1, or of diar_streaming_sortformer_4spk-v2."""
    modules = "nemo.collections.asr.modules"
    stream = {"spkcache_len": 188, "fifo_len": 188, "chunk_len": 6, "spkcache_update_period": 144}
    encoder = {"_target_": f"{modules}.ConformerEncoder", "feat_in": 128 if streaming else 80, "feat_out": -1}
    encoder |= {"n_layers": 17 if streaming else 18, "d_model": 512, "n_heads": 8, "conv_kernel_size": 9}
    encoder |= {"subsampling": "dw_striding", "subsampling_factor": 8, "subsampling_conv_channels": 256}
    layers = {"_target_": f"{modules}.transformer.transformer_encoders.TransformerEncoder", "num_layers": 18}
    layers |= {"hidden_size": 192, "inner_size": 768, "num_attention_heads": 8, "ffn_dropout": 0.5}
    mel = {"_target_": f"{modules}.AudioToMelSpectrogramPreprocessor", "features": encoder["feat_in"]}
    mel |= {"normalize": "NA" if streaming else "per_feature", "window_size": 0.025, "n_fft": 512}
    return {
        "target": "nemo.collections.asr.models.sortformer_diar_models.SortformerEncLabelModel",
        **{"sample_rate": 16000, "pil_weight": 0.5, "ats_weight": 0.5, "max_num_of_spks": 4},
        "streaming_mode": streaming,
        "model_defaults": {"fc_d_model": 512, "tf_d_model": 192},
        "preprocessor": mel,
        "encoder": encoder,
        "sortformer_modules": {
            "_target_": f"{modules}.sortformer_modules.SortformerModules",
            **{"num_spks": 4, "dropout_rate": 0.5, "fc_d_model": 512, "tf_d_model": 192},
            **(stream if streaming else {}),
        },
        "transformer_encoder": layers,
        "loss": {"_target_": "nemo.collections.asr.losses.bce_loss.BCELoss", "weight": None, "reduction": "mean"},
    }


# As NeMo 3.0.0 counts the parameters of models that it makes from these configurations.
@pytest.mark.parametrize(("streaming", "count"), [(False, 123_219_976), (True, 117_693_960)], ids=["v1", "v2"])
def test_published_sizes(streaming, count):
    _, model = from_nemo(published(streaming=streaming))
    shapes = jax.eval_shape(build(model).init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count
    assert model["scale_audio"] is not streaming and ("streaming" in model) == streaming


@pytest.mark.parametrize("changes", [{}, STREAMING], ids=["whole", "streaming"])
def test_own_models_return_as_they_were(changes, tmp_path):
    """The file has outputs that NeMo does not use, and so the model that is read from it."""
    model = MODEL | changes
    archive = Archive(model, {}, random_variables(model), {})
    remarks = save_nemo(tmp_path / "m.nemo", **archive._asdict())
    assert any("loudest sample" in remark for remark in remarks) == (not changes)
    again = load_nemo(tmp_path / "m.nemo")
    assert "spare" not in archive.variables["params"]["decoder"]
    assert not np.any(again.variables["params"]["decoder"]["spare"]["kernel"])
    ours, theirs = build(archive.model).model, build(again.model).model
    assert (ours.streaming, ours.scale_audio, ours.loss) == (theirs.streaming, theirs.scale_audio, theirs.loss)
    samples, lengths = np.random.default_rng(0).standard_normal((1, 8000)).astype(np.float32), np.array([8000])
    first, second = (
        jax.jit(partial(build(x.model).model.apply, method="activity"))(x.variables, samples, lengths)
        for x in (archive, again)
    )
    np.testing.assert_array_equal(first[0], second[0])
    save_nemo(tmp_path / "b.nemo", **again._asdict())
    jax.tree.map(np.testing.assert_array_equal, load_nemo(tmp_path / "b.nemo").variables, again.variables)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("max_num_of_spks", 5, r"max_num_of_spks 5 \(must be 4"),
        ("eps", 0.1, r"eps 0\.1 \(can be 0\.001\)"),
        ("streaming_mode", "yes", r"streaming_mode 'yes'"),
        ("pil_weight", -1, r"pil_weight -1"),
        ("sortformer_modules.tf_d_model", 64, r"sortformer_modules\.tf_d_model 64 \(must be 192"),
        ("sortformer_modules.subsampling_factor", 4, r"subsampling_factor 4 \(must be 8"),
        ("sortformer_modules.chunk_len", 0, r"sortformer_modules\.chunk_len 0 \(must be"),
        ("sortformer_modules.colour", 1, r"sortformer_modules\.colour \(unknown\)"),
        ("transformer_encoder.mask_future", True, r"transformer_encoder\.mask_future True"),
        ("transformer_encoder.num_attention_heads", 7, r"192 cannot be split"),
        ("loss.class_normalization", "all", r"loss\.class_normalization 'all'"),
    ],
)
def test_configurations_that_are_not_supported(place, value, message):
    config = copy.deepcopy(published(streaming=True))
    *outer, last = place.split(".")
    section = config
    for key in outer:
        section = section[key]
    section[last] = value
    with pytest.raises(ArchiveError, match=message):
        from_nemo(config)


def test_models_that_nemo_cannot_hold(tmp_path):
    model = MODEL | {"scale_audio": False, "decoder": MODEL["decoder"] | {"dropout_att": 0.1}}
    with pytest.raises(ArchiveError, match="NeMo has no counterpart of scale_audio False without streaming"):
        save_nemo(tmp_path / "m.nemo", **Archive(model, {}, random_variables(model), {})._asdict())
