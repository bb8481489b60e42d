"""Trains HiFi-GAN, a vocoder: mel frames to samples, against discriminators of waveforms, at the published sizes.

    jaxspeech train --config=hifigan --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl --workdir=runs/v1
    jaxspeech train --config=hifigan:v2 ...                     # 0.9M parameters in place of 13.9M
    jaxspeech train --config=hifigan:44k ...                    # for 44.1 kHz and a hop of 512 samples

Lines need nothing but "audio_filepath" and "duration". The sizes v1, v2 and v3 are those of Kong et al. (2020) for
22.05 kHz, 44k is that of NeMo's models of HiFi-TTS. Batches of 16 segments of 8192 samples; 2.5M steps, which takes a
GPU: on a CPU train `vocos:small`, which also speaks much faster.
"""

from typing import Any

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, base_config, pick

BLOCKS = {"block_kernels": (3, 7, 11), "block_dilations": ((1, 3, 5),) * 3}
GENERATORS: dict[str, dict[str, Any]] = {
    "v1": {"channels": 512, "rates": (8, 8, 2, 2), "kernels": (16, 16, 4, 4), **BLOCKS},
    "v2": {"channels": 128, "rates": (8, 8, 2, 2), "kernels": (16, 16, 4, 4), **BLOCKS},
    "v3": {
        **{"channels": 256, "rates": (8, 8, 4), "kernels": (16, 16, 8), "block": "single"},
        **{"block_kernels": (3, 5, 7), "block_dilations": ((1, 2), (2, 6), (3, 12))},
    },
    "44k": {"channels": 512, "rates": (8, 8, 4, 2), "kernels": (16, 16, 4, 4), **BLOCKS},
}
SEGMENT = 8192


def mel(sample_rate: int, *, fft_size: int, hop: int, high_hz: float | None) -> dict[str, Any]:
    """Makes the section of mel frames as HiFi-GAN has them."""
    return {
        **{"name": "mel", "sample_rate": sample_rate, "fft_size": fft_size, "num_mels": 80, "high_hz": high_hz},
        **{"window_seconds": fft_size / sample_rate, "hop_seconds": hop / sample_rate, "exact_pad": True},
        **{"preemphasis": None, "dither": 0.0, "normalize": "none", "mag_power": 1.0},
        **{"log_guard": "clamp", "log_guard_value": 1e-5, "pad_value": -11.52},
    }


def model(size: str = "v1") -> ConfigDict:
    """Makes the part `model`."""
    generator = {"name": "hifigan", **pick(GENERATORS, size, recipe="hifigan")}
    features = mel(22050, fft_size=1024, hop=256, high_hz=8000.0)
    if size == "44k":
        features = mel(44100, fft_size=2048, hop=512, high_hz=None)
    # Field by field, to be changed from the command line.
    judges = {"periods": (2, 3, 5, 7, 11), "period_channels": (32, 128, 512, 1024)}
    judges |= {"num_scales": 3, "scale_channels": (128, 256, 512, 1024)}
    loss = {"distance": "squares", "mel_weight": 45.0, "adversarial_weight": 1.0, "feature_weight": 1.0}
    return ConfigDict(
        {
            "task": "vocoder",
            "features": features,
            "generator": generator,
            "discriminators": {"name": "hifigan", **judges},
            "loss": loss,
        }
    )


def segments(config: ConfigDict, *, samples: int, batch_size: int) -> ConfigDict:
    """Trains on random segments of so many samples, a whole number of frames, and evaluates whole recordings."""
    # Half a sample more, so that rounding cannot cost a frame.
    seconds = (samples + 0.5) / config.model.features.sample_rate
    config.augment.crop_to = (seconds, seconds)
    config.augment.speed = (1.0,)
    config.data.min_seconds = seconds
    config.data.max_seconds = 20.0
    config.data.buckets = any_type((seconds,))
    config.data.batch_size = batch_size
    config.data.batch_seconds = (batch_size + 0.5) * seconds
    config.data.eval_batch_size = 4
    return config


def get_config(size: str = "v1") -> ConfigDict:
    config = base_config()
    config.model = model(size)
    config.data.train = any_type("data/train.jsonl")
    config.data.eval = {"dev": "data/dev.jsonl"}
    segments(config, samples=SEGMENT if size != "44k" else 2 * SEGMENT, batch_size=16)
    config.optimizer.learning_rate = 2e-4
    config.optimizer.beta1, config.optimizer.beta2 = 0.8, 0.99
    config.optimizer.weight_decay = 0.01
    config.optimizer.clip_norm = 0.0
    config.optimizer.schedule = {"name": "cosine", "warmup_ratio": 0.02, "min_learning_rate": 1e-5}
    config.average_decay = 0.9995  # better sound than that of the last step; NeMo has none
    config.choose = "last"
    config.steps = 2_500_000
    config.eval_every = 5_000
    return config
