"""Networks that estimate the spectrum of clean speech, trained on mixtures of speech and noise.

    jaxspeech train --config=enhancement_predictive --config.data_dir=FOLDER --workdir=runs/ncsnpp
    jaxspeech train --config=enhancement_predictive:conformer_unet --config.data_dir=FOLDER --workdir=runs/conformer
    jaxspeech train --config=enhancement_predictive:conformer_stream --config.data_dir=FOLDER --workdir=runs/stream

The first is NCSN++ (22.1 M parameters). The second, a Conformer with the skips of a U-Net (53.0 M), takes a tenth of
its time. The third is the same for streams: its convolutions look only back, its attention in chunks of 17 frames (136
ms), and its input is not normalised by its peak. Segments have 256 frames (2.04 s).

The data are those of `enhance_mini`.
"""

from typing import Any

from ml_collections import ConfigDict

from jaxspeech.configs import enhance_mini
from jaxspeech.configs.base import any_type, pick

# 256 bins, which NCSN++ can halve.
STFT = {"fft_length": 510, "hop": 128, "magnitude_power": 0.5, "scale": 0.33}
SECONDS = 2.04
CONFORMER = {
    **{"name": "conformer", "unet_skips": True, "num_layers": 8, "width": 512, "num_heads": 8, "conv_kernel": 31},
    **{"xscaling": True, "dropout_emb": 0.1, "dropout_att": 0.0},
}
CAUSAL = {
    **{"attention_style": "chunked_limited", "attention_context": (102, 16)},
    **{"conv_context": (30, 0), "conv_norm": "layer"},
}
MODELS: dict[str, dict[str, Any]] = {
    "ncsnpp": {"estimator": {"name": "ncsnpp", "num_res_blocks": 3, "pad_frames_to": 64}},
    "conformer_unet": {"estimator": CONFORMER},
    "conformer_stream": {"estimator": CONFORMER | CAUSAL, "normalize_input": False},
}


def get_config(kind: str = "ncsnpp") -> ConfigDict:
    config = enhance_mini.get_config()
    config.model = model(kind)
    config.augment.crop_to = (SECONDS, SECONDS)
    config.data.min_seconds = SECONDS
    config.data.buckets = any_type((SECONDS,))
    config.data.batch_size = 8
    config.data.batch_seconds = 8 * SECONDS
    config.optimizer.learning_rate = 1e-4
    config.optimizer.weight_decay = 0.0
    config.average_decay = 0.999
    config.steps = 100_000
    config.eval_every = 5_000
    config.checkpoint_every = 1_000
    return config


def model(kind: str) -> ConfigDict:
    """Makes the part `model`."""
    parts = {"task": "enhancement", "channels": 1, "stft": STFT, "normalize_input": True}
    parts |= {"processor": {"name": "spectrum"}, "loss": {"name": "mse"}}
    return ConfigDict(parts | pick(MODELS, kind, recipe="enhancement_predictive"))
