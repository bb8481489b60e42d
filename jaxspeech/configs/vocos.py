"""Trains Vocos, the default vocoder: mel frames to samples by an inverse transform, 18 times as fast as HiFi-GAN.

    jaxspeech train --config=vocos --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl --workdir=runs/vocos
    jaxspeech train --config=vocos:small ...                    # for two cores

Lines need nothing but "audio_filepath" and "duration". The mel frames are those of `fastpitch`, so both make a voice.
The published size (Siuzdak, 2023) has 13.5M parameters, and is trained for a million steps on batches
of 16 segments of 16,384 samples, against discriminators of periods and of spectra. The small one has 2.1M parameters,
a source of harmonics and noise (decoders/harmonic_vocos.py), without which few steps teach no pitch, and small
discriminators; its loss compares mels of three resolutions, from which it learns most.
"""

from typing import Any

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, base_config, pick
from jaxspeech.configs.hifigan import segments

# As in configs/fastpitch.py.
FEATURES = {
    **{"name": "mel", "sample_rate": 22050, "window_seconds": 1024 / 22050, "hop_seconds": 256 / 22050},
    **{"fft_size": 1024, "num_mels": 80, "high_hz": 8000.0, "preemphasis": None, "dither": 0.0, "normalize": "none"},
    **{"log_guard_value": 1e-5, "mag_power": 1.0},
}
SIZES: dict[str, dict[str, Any]] = {
    "": {
        "generator": {"name": "vocos", "width": 512, "hidden_width": 1536, "num_layers": 8},
        "discriminators": {
            **{"periods": (2, 3, 5, 7, 11), "period_channels": (32, 128, 512, 1024)},
            **{"resolutions": ((512, 128), (1024, 256), (2048, 512)), "resolution_channels": 32},
        },
        "loss": {"resolutions": any_type(())},
    },
    "small": {
        "generator": {"name": "harmonic_vocos", "width": 256, "hidden_width": 512, "num_layers": 6},
        "discriminators": {
            **{"periods": (2, 5, 11), "period_channels": (8, 16, 32, 64)},
            **{"resolutions": ((1024, 256),), "resolution_channels": 8},
        },
        "loss": {"resolutions": any_type(((512, 128, 40), (2048, 512, 120)))},
    },
}


def model(size: str = "", *, features: dict[str, Any] | None = None) -> ConfigDict:
    """Makes the part `model`; `features` are those of other mel frames, centred, with a window as long as the FFT."""
    chosen, features = pick(SIZES, size, recipe="vocos"), features or FEATURES
    hop = int(features["hop_seconds"] * features["sample_rate"])
    generator = chosen["generator"] | {"fft_size": features["fft_size"], "hop": hop, "centred": True}
    if generator["name"] == "harmonic_vocos":
        generator["sample_rate"] = features["sample_rate"]
    weights = {"mel_weight": 45.0, "adversarial_weight": 1.0, "feature_weight": 1.0}
    return ConfigDict(
        {
            "task": "vocoder",
            "features": features,
            "generator": generator,
            "discriminators": {"name": "hifigan", **chosen["discriminators"], "num_scales": 0},
            "loss": {"distance": "hinge", **weights, **chosen["loss"]},
        }
    )


def get_config(size: str = "") -> ConfigDict:
    config = base_config()
    config.model = model(size)
    config.data.train = any_type("data/train.jsonl")
    config.data.eval = {"dev": "data/dev.jsonl"}
    segments(config, samples=16_384 if size != "small" else 8_192, batch_size=16)
    config.optimizer.learning_rate = 5e-4
    config.optimizer.beta1, config.optimizer.beta2 = 0.8, 0.9
    config.optimizer.weight_decay = 0.01
    config.optimizer.clip_norm = 0.0
    config.optimizer.schedule = {"name": "cosine", "warmup_ratio": 0.0, "min_learning_rate": 0.0}
    config.average_decay = 0.999
    config.choose = "last"
    config.steps = 1_000_000 if size != "small" else 3_000
    config.eval_every = 5_000 if size != "small" else 1_000
    if size == "small":
        config.optimizer.learning_rate = 1e-3
        config.checkpoint_every = 500
    return config
