"""Recognises spoken commands: MatchboxNet 3x2x64, 93 thousand parameters, on your own manifests with a "label".

    python train.py --config=configs/matchboxnet.py:commands --config.data_dir=data/speech_commands
    python train.py --config=configs/matchboxnet.py:commands-3x1x64 --config.data_dir=data/speech_commands

Manifests are DATA_DIR/{train,dev}.jsonl, lines {"audio_filepath", "duration", "label"}. The recipe is NeMo's for Speech
Commands, whose v2 (35 words, 85 thousand clips to train on) has to be on your disk; `jaxspeech prepare speech_commands`
makes the manifests.

Figures: published for NeMo's weights with 35 words, 97.3 %; this recipe has not been trained to its end here. The same
model on six words and 600 clips: see configs/wakewords.py.

Source: Majumdar and Ginsburg, 2020.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import base_config, with_classes

# Convolutions in each of the three blocks.
SIZES = {"commands": 2, "commands-3x1x64": 1}


def get_config(size: str = "commands") -> ConfigDict:
    if size not in SIZES:
        raise ValueError(f"configs/matchboxnet.py:{size}: the sizes are {', '.join(SIZES)}")
    config = with_classes(base_config())
    config.model = matchboxnet(repeat=SIZES[size])

    folder = config.get_ref("data_dir")
    config.data.train = folder + "/train.jsonl"
    config.data.eval = {"dev": folder + "/dev.jsonl"}
    config.data.buckets = 1
    config.data.batch_size = config.data.eval_batch_size = 128
    config.augment.white_noise = {"level_db": (-90.0, -46.0)}
    config.augment.pad_seconds = 0.005
    config.augment.crop_seconds = 0.005

    config.loss_reduction = "mean_volume"  # divides by the weights of the classes, as NeMo
    config.optimizer = {
        "name": "novograd",
        "learning_rate": 0.05,
        "beta1": 0.95,
        "beta2": 0.5,
        "weight_decay": 1e-3,
        "schedule": {
            "name": "polynomial",
            "power": 2.0,
            "warmup_ratio": 0.05,
            "hold_ratio": 0.45,
            "min_learning_rate": 1e-3,
        },
    }
    config.steps = 132_600  # 200 epochs of Speech Commands v2
    config.eval_every = 663
    config.checkpoint_every = 663
    return config


def matchboxnet(*, repeat: int = 2, filters: int = 64, dropout: float = 0.1) -> ConfigDict:
    """Make the model: three residual blocks between a prologue and two layers, with a pooled head."""
    shared = {"filters": filters, "separable": True, "dropout": dropout}
    blocks = [
        {**shared, "filters": 128, "kernel": 11},
        *[{**shared, "kernel": kernel, "repeat": repeat, "residual": True} for kernel in (13, 15, 17)],
        {**shared, "filters": 128, "kernel": 29, "dilation": 2},
        {"filters": 128, "kernel": 1, "dropout": dropout},
    ]
    return ConfigDict(
        {
            "task": "classification",
            "features": {"name": "mfcc", "window_seconds": 0.025, "fft_size": 512},
            "spec_augment": {
                "freq_masks": 2,
                "freq_width": 15,
                "time_masks": 2,
                "time_width": 25,
                "cutout_masks": 5,
                "cutout_freq_width": 15,
                "cutout_time_width": 25,
            },
            "encoder": {"name": "jasper", "blocks": blocks, "activation": "relu"},
            "decoder": {"name": "pooled"},
            "label_smoothing": 0.0,
        }
    )
