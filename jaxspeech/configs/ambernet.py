"""Identifies the language of a recording: AmberNet (Jia et al., 2022), 28.9 million parameters, 107 languages.

    jaxspeech prepare voxlingua107 voxlingua107 --output=data/voxlingua107
    jaxspeech train --config=ambernet --config.data_dir=data --workdir=runs/ambernet

Manifests are DATA_DIR/voxlingua107/{train,dev}.jsonl, lines {"audio_filepath", "duration", "label"}; any other set of
languages works the same way. VoxLingua107 (6,600 hours) has to be on your disk.

The network has the size of NeMo's langid_ambernet: a TitaNet with five convolutions in each of its three large blocks,
whose frames are pooled to means and deviations, with an embedding of 512 numbers. Training is TitaNet's, with the
cross-entropy of the languages; up to 2 s are cut off each side of a recording. Published for NeMo's weights: an error
of about 5 % on dev; this recipe has not been trained to its end here.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import base_config, with_classes
from jaxspeech.configs.titanet import blocks

FILTERS = 1024


def get_config() -> ConfigDict:
    config = with_classes(base_config())
    config.model = ambernet()
    folder = config.get_ref("data_dir") + "/voxlingua107"
    config.data.train = folder + "/train.jsonl"
    config.data.eval = {"dev": folder + "/dev.jsonl"}
    config.data.max_seconds = 20.0
    config.data.balance = 0.5
    config.augment.crop_seconds = 2.0
    config.augment.speed = (0.95, 1.0, 1.05)
    config.optimizer = ConfigDict(
        {
            "name": "sgd",
            "learning_rate": 0.08,
            "momentum": 0.9,
            "weight_decay": 2e-4,
            "clip_norm": 1.0,
            "schedule": {"name": "cosine", "warmup_ratio": 0.1, "min_learning_rate": 0.0},
        }
    )
    return config


def ambernet() -> ConfigDict:
    """Make the model."""
    return ConfigDict(
        {
            "task": "classification",
            "features": {"name": "mel", "num_mels": 80},
            "spec_augment": {"freq_masks": 3, "freq_width": 4, "time_masks": 5, "time_width": 0.03},
            "encoder": {"name": "jasper", "blocks": blocks(FILTERS, repeat=5)},
            "decoder": {
                "name": "speaker",
                "pooling": "statistics",
                "embedding_widths": (512,),
                "angular": False,
                # Without effect on such a head; the values that a .nemo file stands for.
                "normalize_weights": False,
                "norm_over_padding": True,
            },
        }
    )
