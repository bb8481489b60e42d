"""Makes the model configs of recognisers: an encoder with a CTC head, a transducer or an attention decoder."""

from ml_collections import ConfigDict

FRONTEND = {
    "features": {"name": "mel", "sample_rate": 16000, "num_mels": 80},
    "spec_augment": {"freq_masks": 2, "freq_width": 27, "time_masks": 10, "time_width": 0.05},
}
FASTCONFORMER = {
    "name": "fastconformer",
    "subsampling": "dw_striding",
    "subsampling_factor": 8,
    "subsampling_channels": 256,
    "xscaling": True,
    "conv_kernel": 9,
    "dropout": 0.1,
    "dropout_pre_encoder": 0.1,
    "dropout_att": 0.1,
    "remat": "dots",  # which activations the backward pass recomputes: see docs/scaling.md
    "dtype": "float32",
}
# The fields in which a Conformer differs.
CONFORMER = FASTCONFORMER | {"subsampling": "striding", "subsampling_factor": 4, "conv_kernel": 31}

# Token-and-duration transducer: the durations in frames, and NeMo's settings of the loss.
TDT_DURATIONS = (0, 1, 2, 3, 4)
TDT_LOSS = {"sigma": 0.02, "omega": 0.1}


def ctc(encoder: dict) -> ConfigDict:
    """Make the model config of an encoder with a CTC head, and NeMo's features and masks."""
    return ConfigDict({"task": "ctc", **FRONTEND, "encoder": encoder, "decoder": {"name": "ctc", "vocab_size": 0}})


def transducer(encoder: dict, *, decoder: dict | None = None, loss: dict | None = None) -> ConfigDict:
    """Make the model config of an encoder with a transducer: NeMo's settings, except the given fields.

    It is an RNN-T or, if the decoder has `durations`, a TDT. The decoder has the encoder's `dtype`.
    """
    transducer = {
        "name": "transducer",
        "vocab_size": 0,  # set from the tokenizer
        "prediction": "lstm",
        "width": 640,
        "num_layers": 1,
        "joint_width": 640,
        "activation": "relu",
        "dropout": 0.2,
        "joint_dropout": 0.2,
        "durations": (),
        "hat": False,  # a hybrid autoregressive transducer: see docs/language-models.md
        "dtype": encoder.get("dtype", "float32"),
    }
    options = {"fastemit": 0.0, "clamp": -1.0, "sigma": 0.0, "omega": 0.0}
    options |= {"wildcard": "none", "wildcard_weight": 0.0}  # for transcripts that are parts: see docs/training.md
    return ConfigDict(
        {
            "task": "transducer",
            **FRONTEND,
            "encoder": encoder,
            "decoder": transducer | (decoder or {}),
            "loss": options | (loss or {}),
            "search": {"max_symbols": 10},
        }
    )


def attention(encoder: dict, *, decoder: dict | None = None, loss: dict | None = None) -> ConfigDict:
    """Make the model config of an encoder with an attention decoder: Canary's settings, except the given fields."""
    transformer = {
        "name": "attention",
        "vocab_size": 0,  # set from the tokenizer
        "end_id": 0,
        "width": 1024,
        "num_layers": 4,
        "num_heads": 8,
        "hidden_width": 4096,
        "max_length": 1024,
        "encoder_layers": 0,
        "dropout": 0.1,
        "dropout_att": 0.1,
        "dropout_emb": 0.1,
        "dtype": encoder.get("dtype", "float32"),
    }
    return ConfigDict(
        {
            "task": "attention",
            **FRONTEND,
            "encoder": encoder,
            "decoder": transformer | (decoder or {}),
            # ctc_weight: of the loss of a CTC head on the encoder, usually 0.3; 0: no such head.
            "loss": {"label_smoothing": 0.0, "prompt": True, "ctc_weight": 0.0} | (loss or {}),
            "search": {
                **{"beam_size": 1, "length_penalty": 0.0, "least_tokens": 0, "more_than_frames": 50},
                "ctc_weight": 0.0,  # of the CTC head's score in the beam search
            },
        }
    )


def fastconformer_ctc(**encoder) -> ConfigDict:
    """Make the model config of a FastConformer with a CTC head: NeMo's settings, except the given encoder fields."""
    return ctc(FASTCONFORMER | encoder)


def fastconformer_transducer(*, decoder: dict | None = None, loss: dict | None = None, **encoder) -> ConfigDict:
    """Make the model config of a FastConformer transducer; see `transducer`."""
    return transducer(FASTCONFORMER | encoder, decoder=decoder, loss=loss)


def hybrid(config: ConfigDict) -> ConfigDict:
    """Add a CTC head, with NeMo's weight of its loss, to the recipe of a transducer."""
    config.model.task = "hybrid"
    config.model.ctc_weight = 0.3
    config.model.search.head = "transducer"
    return config


def cache_aware(config: ConfigDict, contexts: tuple[tuple[int, int], ...]) -> ConfigDict:
    """Change the recipe of a Conformer to NeMo's settings for live audio.

    Args:
      config: the recipe.
      contexts: (past, future) frames that a frame attends to; every training step draws one of them.
    """
    config.optimizer.clip_norm = 1.0
    config.model.features.normalize = "none"
    encoder = config.model.encoder
    encoder.causal_subsampling = True
    encoder.attention_style = "chunked_limited"
    encoder.attention_context = contexts
    encoder.conv_context = (encoder.conv_kernel - 1, 0)
    encoder.conv_norm = "layer"
    encoder.xscaling = True
    return config
