"""A codec for speech of the size of NVIDIA's low-frame-rate speech codec: 21.5 frames a second of 8 ids, 1.9 kbit/s.

    jaxspeech train --config=codec --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl --workdir=runs/codec

After E. Casanova et al., "Low Frame-rate Speech Codec: a Codec Designed for Fast High-quality Speech LLM Training and
Inference" (2024), without its discriminator of a speech model's features. Training from nothing takes GPUs and
thousands of hours; --config.init_from=codec.nemo starts from a published model, which is read without discriminators.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import published

SECONDS = 1.1


def get_config() -> ConfigDict:
    network = {"kernel_sizes": (3, 7, 11), "dilations": (1,), "activation": "leaky_relu", "kernel_norm": "weight"}
    model = {
        "task": "codec",
        "sample_rate": 22050,
        "encoder": {
            "name": "codec",
            "width": 32,
            "channels": 48,
            "rates": (2, 2, 4, 8, 8),
            "padding": "reflect",
            **network,
        },
        "quantizer": {"name": "fsq", "groups": 8, "levels": (8, 7, 6, 6)},
        "decoder": {
            "name": "codec",
            "channels": 1024,
            "rates": (8, 8, 4, 2, 2),
            "padding": "reflect",
            "output": "tanh",
            **network,
            "dilations": (1, 3, 5),
        },
        "loss": {"mel": 1.0, "stft": 20.0, "adversarial": 1.0, "features": 1.0, "distance": "squares"},
        "discriminator": {"periods": (2, 3, 5, 7, 11), "period_channels": (32, 128, 512, 1024), "channels": 32},
    }
    config = published(ConfigDict(model))
    config.data.min_seconds = SECONDS
    config.data.max_seconds = 60.0
    config.data.buckets = 1
    config.data.batch_size = 16
    config.data.batch_seconds = 16 * SECONDS
    config.data.eval_batch_size = 4
    config.augment.crop_to = (SECONDS, SECONDS)
    config.augment.speed = (1.0,)
    config.optimizer.learning_rate = 2e-4
    config.optimizer.beta1, config.optimizer.beta2 = 0.8, 0.99
    config.optimizer.weight_decay = config.optimizer.clip_norm = 0.0
    config.average_decay = 0.999
    config.steps = 400_000
    return config
