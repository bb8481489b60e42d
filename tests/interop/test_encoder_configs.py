"""NeMo's other encoders translated to our configuration; what has no counterpart is reported with its place."""

import pytest

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.model_config import from_nemo

ENCODERS = {
    "RNNEncoder": {"n_layers": 2, "d_model": 32, "proj_size": 16},
    "SqueezeformerEncoder": {"n_layers": 2, "d_model": 16},
    "TransformerEncoder": {"d_model": 32, "n_heads": 2},
    "ConformerEncoder": {"n_layers": 2, "d_model": 16},
}


def translate(encoder: str, **changes):
    arguments = {"_target_": f"nemo.{encoder}", "feat_in": 64, **ENCODERS[encoder], **changes}
    config = {
        "target": "nemo.EncDecCTCModel",
        "preprocessor": {"_target_": "nemo.AudioToMelSpectrogramPreprocessor"},
        "encoder": arguments,
        "decoder": {"_target_": "nemo.ConvASRDecoder", "num_classes": 3},
    }
    return from_nemo(config)[1]["encoder"]


def test_nemos_defaults_are_not_ours():
    lstm = {"bidirectional": True, "subsampling": "striding", "subsampling_channels": 16, "width": 16, "cell_width": 32}
    assert translate("RNNEncoder") | lstm == translate("RNNEncoder")
    squeezeformer = {"num_heads": 4, "reduce_at": None, "dropout_emb": 0.1, "dropout_att": 0.0, "output_width": None}
    assert translate("SqueezeformerEncoder") | squeezeformer == translate("SqueezeformerEncoder")
    transformer = {"num_layers": 17, "attention_context": [-1, -1], "dropout_pre_encoder": 0.3, "attention": "none"}
    found = translate("TransformerEncoder", drop_rate=0.3, self_attention_model=None)
    assert found | transformer == found
    assert translate("TransformerEncoder", attn_mode="causal")["attention_context"] == [-1, 0]


def test_local_attention_has_biases_in_each_layer():
    tied = {"untie_biases": False}
    assert translate("ConformerEncoder", **tied)["untied_biases"] is False
    local = translate("ConformerEncoder", **tied, self_attention_model="rel_pos_local_attn", att_context_size=[8, 8])
    assert local["untied_biases"] is True


UNIFIED = {"att_context_style": "chunked_limited_with_rc", "conv_context_style": "dcc"}


@pytest.mark.parametrize("size", [None, [-1, -1], [70, 13], [70, 13, 13], [[70, 13], [70, 1]]])
def test_a_unified_encoder_begins_with_whole_recordings(size):
    listed = [[70], [1, 2, 7, 13], [0, 1, 2, 3, 4, 7, 13]]
    found = translate("ConformerEncoder", **UNIFIED, att_context_size=size, att_chunk_context_size=listed)
    ours = {"attention_style": "chunked_limited_with_rc", "conv_context_style": "dcc", "attention_context": [-1, -1]}
    assert found | ours | {"attention_chunk_context": listed} == found
    assert translate("ConformerEncoder", **UNIFIED)["attention_chunk_context"] is None


@pytest.mark.parametrize(
    ("encoder", "change", "message"),
    [
        ("RNNEncoder", {"rnn_type": "gru"}, r"encoder\.rnn_type 'gru' \(can be 'lstm'\)"),
        ("RNNEncoder", {"proj_size": 64}, r"encoder\.proj_size 64 is too large for d_model 32"),
        ("RNNEncoder", {"proj_size": 15}, r"encoder\.proj_size 15 cannot be split into two directions"),
        ("SqueezeformerEncoder", {"adaptive_scale": False}, r"encoder\.adaptive_scale False \(can be True\)"),
        ("SqueezeformerEncoder", {"n_heads": 3}, r"encoder\.d_model 16 cannot be split into 3 heads"),
        ("SqueezeformerEncoder", {"time_reduce_idx": "8"}, r"encoder\.time_reduce_idx '8' \(must be an integer"),
        ("TransformerEncoder", {"attn_mode": "sliding"}, r"encoder\.attn_mode 'sliding' \(can be 'full', 'causal'\)"),
        ("TransformerEncoder", {"moe": 4}, r"encoder\.moe \(unknown\)"),
        ("ConformerEncoder", UNIFIED | {"att_chunk_context_size": [[70], [0], [1]]}, r"integer from 1 to"),
        ("ConformerEncoder", UNIFIED | {"att_chunk_context_size": [70, 2, 1]}, "must be three lists of frames"),
        ("ConformerEncoder", {"att_chunk_context_size": [[70], [1], [1]]}, "only the att_context_style 'chunked_lim"),
        ("ConformerEncoder", {"att_context_size": [70, 2, 1]}, r"att_context_size \[70, 2, 1\] \(must be one pair"),
        ("ConformerEncoder", {"conv_context_style": "dcc_rc"}, r"conv_context_style 'dcc_rc' \(can be"),
        (
            "ConformerEncoder",
            {"self_attention_model": "rel_pos_local_attn", "att_context_size": [5, 2]},
            r"encoder\.att_context_size \[5, 2\] \(local attention needs the same context on both sides\)",
        ),
    ],
)
def test_what_is_not_supported(encoder, change, message):
    with pytest.raises(ArchiveError, match=message) as caught:
        translate(encoder, **change)
    assert len(str(caught.value).splitlines()) == 1
