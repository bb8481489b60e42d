"""The tables of attention decoders: NeMo's Transformer encoder, decoder, head and loss, and our fields for them."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    among,
    flag,
    integer,
    only,
    share,
    size,
)

TRANSFORMERS = "nemo.collections.asr.modules.transformer"
# The layers between encoder and decoder; `num_layers` of 0 stands for none.
TRANSFORMER_ENCODER = Section(
    "",
    (
        Argument("num_layers", "encoder_layers", Required, integer(0, 256)),
        Argument("hidden_size", "encoder_width", Required, size),
        Argument("inner_size", "encoder_hidden_width", Required, size),
        Argument("num_attention_heads", "encoder_heads", 1, size),
        Argument("hidden_act", "encoder_activation", "relu", among("relu", "gelu")),
        Argument("pre_ln", "encoder_norm_first", False, flag),
        Argument("pre_ln_final_layer_norm", "encoder_norm_last", True, flag),
        only("mask_future", False),
    ),
    # Dropout is that of the decoder.
    frozenset({"ffn_dropout", "attn_score_dropout", "attn_layer_dropout"}),
    package=f"{TRANSFORMERS}.transformer_encoders",
)
# The same layers in a class without prompts, which passes only some arguments on, with a different default.
UNPROMPTED_ENCODER = Section(
    "",
    (
        *(part for part in TRANSFORMER_ENCODER.arguments if part.nemo not in ("hidden_act", "pre_ln", "mask_future")),
        Argument("pre_ln", "encoder_norm_first", True, flag),
    ),
    TRANSFORMER_ENCODER.without_effect | {"hidden_act", "mask_future"},
    settles=(("encoder_activation", "relu"),),
)
POSITIONS = {False: "sinusoids", True: "learnt"}


def _learnt(value: Any) -> str:
    return POSITIONS[flag(value)]


TRANSFORMER_DECODER = Section(
    "attention",
    (
        Argument("config_dict.max_sequence_length", "max_length", 512, integer(1, 1 << 20)),
        Argument("config_dict.num_token_types", "token_types", 2, integer(0, 1024)),
        Argument("config_dict.embedding_dropout", "dropout_emb", 0.0, share),
        Argument("config_dict.learn_positional_encodings", "positions", False, _learnt, lambda v: v == "learnt"),
        Argument("config_dict.hidden_size", "width", Required, size),
        Argument("config_dict.inner_size", "hidden_width", Required, size),
        Argument("config_dict.num_layers", "num_layers", Required, integer(1, 256)),
        Argument("config_dict.num_attention_heads", "num_heads", 1, size),
        Argument("config_dict.ffn_dropout", "dropout", 0.0, share),
        Argument("config_dict.attn_score_dropout", "dropout_att", 0.0, share),
        Argument("config_dict.hidden_act", "activation", "relu", among("relu", "gelu")),
        Argument("config_dict.pre_ln", "norm_first", False, flag),
        Argument("pre_ln_final_layer_norm", "norm_last", True, flag),
        only("model_name", None),
        only("pretrained", False),
        only("encoder", None),
    ),
    # The size of the table follows from the tokenizer; the dropout after attention is that of the branches.
    frozenset({"config_dict.vocab_size", "config_dict.attn_layer_dropout", "library"}),
    package=TRANSFORMERS,
)
# A class without prompts has the same arguments without a nested section, and another default.
UNPROMPTED_DECODER = Section(
    "attention",
    (
        *(
            part._replace(nemo=part.nemo.removeprefix("config_dict."))
            for part in TRANSFORMER_DECODER.arguments
            if part.nemo not in ("pre_ln_final_layer_norm", "encoder")
        ),
        Argument("pre_ln_final_layer_norm", "norm_last", False, flag),
        only("library", "nemo"),
    ),
    frozenset({"vocab_size", "attn_layer_dropout"}),
)
TOKEN_CLASSIFIER = Section(
    "",
    (only("num_layers", 1), only("log_softmax", True)),
    frozenset({"num_classes", "hidden_size", "activation", "dropout", "use_transformer_init"}),
    package="nemo.collections.asr.parts.submodules.token_classifier",
)
CROSS_ENTROPY = Section(
    "",
    (Argument("label_smoothing", "label_smoothing", 0.0, share),),
    frozenset({"pad_id", "per_token_reduction", "predict_last_k", "eps"}),
    package="nemo.collections.common.losses.smoothed_cross_entropy",
)
