"""Sortformer, which finds out who speaks when (Park et al., 2024), at NVIDIA's sizes and smaller.

    jaxspeech train --config=sortformer:large --workdir=runs/sortformer \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl --config.init_from=asr.jaxspeech

| size            | parameters | encoder  | Transformer | mel | published as                            |
|-----------------|-----------:|----------|-------------|----:|-----------------------------------------|
| small           |       15 M | 16 x 176 | 10 x 144    |  80 | not; the encoder of fastconformer_ctc:small |
| large           |      123 M | 18 x 512 | 18 x 192    |  80 | diar_sortformer_4spk-v1                 |
| large-streaming |      117 M | 17 x 512 | 18 x 192    | 128 | diar_streaming_sortformer_4spk-v2       |

Manifests have "rttm_filepath" (NeMo's key; or "turns") beside "audio_filepath" and "duration": see docs/diarization.md.
`jaxspeech prepare conversations` makes such data from recordings of single speakers. With init_from the encoder starts
from that of any model with the same one: a recogniser by fastconformer_ctc:large or fastconformer_transducer:large for
`large`, by :small for `small`. NVIDIA's own training starts from an encoder trained without labels, on simulated and
real conversations, 5,150 hours in all, of 90 s. The weights of the losses, dropout and the schedule are NeMo's. The
sizes from large on are meant for several GPUs. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, base_config, pick
from jaxspeech.configs.recognizers import FASTCONFORMER

SIZES = {
    "small": {
        "encoder": {"width": 176, "num_heads": 4, "num_layers": 16},
        "decoder": {"width": 144, "num_heads": 4, "num_layers": 10, "hidden_width": 576},
    },
    "large": {
        "encoder": {"width": 512, "num_heads": 8, "num_layers": 18},
        "decoder": {"width": 192, "num_heads": 8, "num_layers": 18, "hidden_width": 768},
    },
}
SIZES["large-streaming"] = SIZES["large"] | {"encoder": SIZES["large"]["encoder"] | {"num_layers": 17}}
# In frames of 80 ms: a training step takes 90 s in six parts. Shorter ones are chosen when the model is used.
STREAM = {"chunk": 188, "left": 1, "right": 1, "cache": 188, "queue": 0, "update": 188}


def with_sessions(config: ConfigDict, *, seconds: float = 90.0) -> ConfigDict:
    """Add the settings of diarization models; recordings are cut into parts of at most `seconds`."""
    config.sessions = {"seconds": seconds, "soft_targets": False, "collar": 0.25}
    config.data.max_seconds = 86_400.0  # before they are cut
    config.data.batch_seconds = 8 * seconds
    config.data.batch_size = config.data.eval_batch_size = 8
    config.loss_reduction = "mean_volume"  # every frame counts the same, as in NeMo
    return config


def sortformer(*, encoder: dict, decoder: dict, num_mels: int = 80, streaming: dict | None = None) -> ConfigDict:
    """Make the model config: NeMo's settings, except the given fields.

    Args:
      encoder: fields of the FastConformer.
      decoder: fields of the head.
      num_mels: of the features.
      streaming: sizes of a stream, for a model of live audio; such a model neither scales nor normalises recordings.
    """
    live = streaming is not None
    features = {"name": "mel", "sample_rate": 16000, "num_mels": num_mels} | ({"normalize": "none"} if live else {})
    head = {"num_speakers": 4, "dropout": 0.5, "dropout_att": 0.5, "dropout_out": 0.5}
    model = {
        "task": "sortformer",
        "features": features,
        "encoder": FASTCONFORMER | encoder,
        "decoder": {"name": "sortformer", **head, "dtype": encoder.get("dtype", "float32")} | decoder,
        # Of the loss with the speakers sorted by arrival, and of that with the best order; how frames are weighted.
        "loss": {"ats_weight": 0.5, "pil_weight": 0.5, "class_normalization": "none"},
        "scale_audio": not live,
    }
    # In half of its training steps a model of live audio attends to seven frames after each, as in NeMo.
    return ConfigDict(model | ({"streaming": streaming, "causal_share": 0.5, "causal_right": 7} if live else {}))


def get_config(size: str = "large") -> ConfigDict:
    sizes = pick(SIZES, size, recipe="sortformer")
    live = {"num_mels": 128, "streaming": STREAM} if size.endswith("streaming") else {}
    config = with_sessions(base_config())
    config.model = sortformer(**sizes, **live)
    config.data.train = any_type("data/train.jsonl")
    config.data.eval = {"dev": "data/dev.jsonl"}
    config.optimizer.learning_rate = 1e-4
    config.optimizer.clip_norm = 0.0
    config.optimizer.schedule = {"name": "inverse_sqrt", "warmup_steps": 2500, "min_learning_rate": 1e-6}
    return config
