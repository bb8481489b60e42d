"""A small causal codec of 4 kbit/s at 16 kHz, which codes and decodes live.

    jaxspeech train --config=codec_mini --config.data_dir=FOLDER --workdir=runs/codec

FOLDER holds librispeech_mini/{train,dev}.jsonl. With your own recordings, name the manifests:

    jaxspeech train --config=codec_mini --config.data.train=speech.jsonl --config.data.eval.dev=dev.jsonl \\
        --workdir=runs/codec

50 frames a second of 8 ids with 1000 values each. The mel distance chooses the model; a step trains the discriminators,
and then the codec against them.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, base_config

# Of a stretch of a recording, which a step learns from.
SECONDS = 0.96


def get_config() -> ConfigDict:
    config = base_config()
    network = {
        "kernel_sizes": (3,),
        "dilations": (1, 3),
        "activation": "half_snake",
        "padding": "causal",
        "kernel_norm": "weight",
    }
    config.model = ConfigDict(
        {
            "task": "codec",
            "sample_rate": 16000,
            "encoder": {"name": "codec", "width": 32, "channels": 12, "rates": (4, 8, 10), **network},
            "quantizer": {"name": "fsq", "groups": 8, "levels": (8, 5, 5, 5)},
            "decoder": {"name": "codec", "channels": 160, "rates": (10, 8, 4), "grouped": False, **network},
            "loss": {
                **{"mel": 1.0, "stft": 20.0, "adversarial": 1.0, "features": 1.0},
                "resolutions": ((128, 32, 128), (512, 128, 512), (1024, 256, 1024), (2048, 512, 2048)),
                "num_mels": (20, 40, 80, 160),
            },
            "discriminator": {
                "periods": (2, 3, 5, 7),
                "period_channels": (8, 16, 32, 64),
                "resolutions": ((512, 128), (1024, 256)),
                "bands": ((0.0, 0.25), (0.25, 1.0)),
                "channels": 8,
            },
        }
    )
    folder = config.get_ref("data_dir")
    config.data.train = any_type(folder + "/librispeech_mini/train.jsonl")
    config.data.eval = {"dev": folder + "/librispeech_mini/dev.jsonl"}
    config.data.min_seconds = SECONDS
    config.data.buckets = any_type((SECONDS,))
    config.data.batch_seconds = 8 * SECONDS
    config.data.batch_size = 8
    config.data.eval_batch_size = 4
    config.data.num_threads = 2
    config.augment.crop_to = (SECONDS, SECONDS)
    config.augment.gain_db = (-6.0, 3.0)
    config.scores = {"measures": any_type(())}  # also si_sdr, estoi, pesq, where their packages are installed
    config.optimizer.learning_rate = 5e-4
    config.optimizer.beta1, config.optimizer.beta2 = 0.8, 0.99
    config.optimizer.weight_decay = 0.0
    config.optimizer.clip_norm = 0.0
    config.average_decay = 0.998
    config.steps = 3000
    config.eval_every = config.checkpoint_every = 1000
    config.log_every = 50
    return config
