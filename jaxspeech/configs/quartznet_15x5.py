"""QuartzNet 15x5 with CTC on your own manifests: 19 M parameters (Kriman et al., 2019).

    python train.py --config=configs/quartznet_15x5.py --workdir=runs/quartznet \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

Blocks, settings and number of parameters (18,924,381) are those of NeMo's quartznet_15x5.yaml. The learning rate is for
batches of hundreds of utterances. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import published
from jaxspeech.configs.recognizers import ctc

CHARACTERS = " abcdefghijklmnopqrstuvwxyz'"


def get_config() -> ConfigDict:
    middle = ((256, 33), (256, 39), (512, 51), (512, 63), (512, 75))
    blocks = [
        {"filters": 256, "kernel": 33, "stride": 2, "separable": True},
        *[
            {"filters": filters, "kernel": kernel, "repeat": 5, "separable": True, "residual": True}
            for filters, kernel in middle
            for _ in range(3)
        ],
        {"filters": 512, "kernel": 87, "dilation": 2, "separable": True},
        {"filters": 1024, "kernel": 1},
    ]
    return recipe(blocks)


def recipe(blocks: list[dict]) -> ConfigDict:
    """Make a recipe of these blocks with the features, masks, characters and optimizer of QuartzNet and Jasper."""
    config = published(ctc({"name": "jasper", "blocks": blocks, "activation": "relu", "dtype": "bfloat16"}))
    config.model.features = {"name": "mel", "sample_rate": 16000, "num_mels": 64, "window_seconds": 0.02}
    config.model.spec_augment = {"cutout_masks": 5, "cutout_freq_width": 50, "cutout_time_width": 120}
    config.tokenizer = {"type": "char", "vocab_size": 0, "path": "", "characters": CHARACTERS}
    config.optimizer = {
        "name": "novograd",
        "learning_rate": 1e-2,
        "beta1": 0.8,
        "beta2": 0.5,
        "weight_decay": 1e-3,
        "schedule": {"name": "cosine", "warmup_steps": 1_000, "min_learning_rate": 0.0},
    }
    return config
