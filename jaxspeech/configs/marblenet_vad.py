"""Detects speech in every 20 ms: the MarbleNet of NeMo's frame VAD v2, 91 thousand parameters, on speech with noise.

    jaxspeech prepare speech_activity librispeech_mini/train.jsonl librispeech_mini/dev.jsonl --output=data/activity
    python train.py --config=configs/marblenet_vad.py --config.augment.noise.manifest=noise/manifest.jsonl

Manifests are DATA_DIR/activity/{train,dev}.jsonl with a "label" for each frame, and DATA_DIR/noise/manifest.jsonl or
another manifest of noises.

Time on two slow cores, shared with other work: 9 minutes, on librispeech_mini with ten recordings of noise.
Score: 97.5 % of the frames of dev, without noise (macro F1 93.7 %, DetER 2.8 %); the labels are of the signal's level.
On meetings (AMI) DetER is 18.1 %, that of silero-vad 22.5 % with the same rules: see docs/classifying.md.

The network and the features are NeMo's (first stride 2, log-mel without normalisation, 20 ms frames); AdamW
instead of its SGD, for a short training.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import base_config, with_classes


def get_config() -> ConfigDict:
    config = with_classes(base_config())
    config.classes.names = ("background", "speech")
    config.model = marblenet()

    folder = config.get_ref("data_dir") + "/activity"
    config.data.train = folder + "/train.jsonl"
    config.data.eval = {"dev": folder + "/dev.jsonl"}
    config.data.buckets = 3
    config.data.batch_seconds = 160.0
    config.data.batch_size = 32
    config.data.num_threads = 2
    config.augment.pad_seconds = 1.0  # there is little silence in read speech
    config.augment.gain_db = (-15.0, 6.0)
    config.augment.noise = {
        "manifest": config.get_ref("data_dir") + "/noise/manifest.jsonl",
        "snr_db": (-3.0, 20.0),
        "probability": 0.7,
    }
    config.augment.white_noise = {"snr_db": (5.0, 50.0), "probability": 0.5}

    config.loss_reduction = "mean_volume"  # every frame counts the same
    config.optimizer.learning_rate = 3e-3
    config.average_decay = 0.99
    config.steps = 600
    config.eval_every = config.checkpoint_every = 200
    config.log_every = 20
    return config


def marblenet() -> ConfigDict:
    """Make the model: one block with stride 2, three residual ones, two layers, and a head for each frame."""
    shared = {"separable": True, "dropout": 0.1}
    blocks = [
        {**shared, "filters": 128, "kernel": 11, "stride": 2},
        *[{**shared, "filters": 64, "kernel": kernel, "repeat": 2, "residual": True} for kernel in (13, 15, 17)],
        {**shared, "filters": 128, "kernel": 29, "dilation": 2},
        {"filters": 128, "kernel": 1, "dropout": 0.1},
    ]
    return ConfigDict(
        {
            "task": "frame_classification",
            "features": {
                "name": "mel",
                "num_mels": 80,
                "window_seconds": 0.025,
                "fft_size": 512,
                "normalize": "none",
                "pad_to": 2,
            },
            "spec_augment": {"freq_masks": 2, "freq_width": 15},
            "encoder": {"name": "jasper", "blocks": blocks, "activation": "relu"},
            "decoder": {"name": "frames"},
        }
    )
