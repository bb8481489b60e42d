"""A small TitaNet on a few dozen speakers: the 25 of librispeech_mini/train.jsonl, whose "speaker" is the class.

    jaxspeech train --config=speakers_mini --config.data_dir=FOLDER --workdir=runs/speakers

FOLDER holds librispeech_mini. Its two speakers of dev.jsonl are not trained on; for a score that means more, evaluate
on a manifest with more speakers. Speeds of 0.9 and 1.1 make three speakers of one.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import base_config, with_classes
from jaxspeech.configs.titanet import blocks


def get_config() -> ConfigDict:
    config = with_classes(base_config(), field="speaker")
    config.speakers = {"of_speeds": True}
    config.model = ConfigDict(
        {
            "task": "speaker",
            "features": {"name": "mel", "num_mels": 64},
            "spec_augment": {"freq_masks": 2, "freq_width": 8, "time_masks": 3, "time_width": 0.05},
            "encoder": {"name": "jasper", "blocks": blocks(128, 384, repeat=2, end_dropout=0.1)},
            "decoder": {"name": "speaker", "attention_width": 64, "embedding_widths": (128,), "num_classes": 0},
            "loss": {"scale": 30.0, "margin": 0.2},
        }
    )
    folder = config.get_ref("data_dir") + "/librispeech_mini"
    config.data.train = folder + "/train.jsonl"
    config.data.eval = {"dev": folder + "/dev.jsonl"}
    config.data.buckets = 3
    config.data.batch_seconds = 200.0
    config.data.batch_size = 32
    config.data.num_threads = 2
    config.augment.speed = (0.9, 1.0, 1.1)
    config.augment.crop_seconds = 3.0
    config.augment.gain_db = (-6.0, 6.0)
    config.augment.equalize = {"gain_db": 6.0, "points": 8, "probability": 0.5}
    config.augment.white_noise = {"snr_db": (10.0, 45.0), "probability": 0.5}
    config.optimizer.learning_rate = 2e-3
    config.optimizer.weight_decay = 1e-2
    config.average_decay = 0.99
    config.steps = 1_500
    config.choose = "last"  # two speakers on dev choose nothing
    config.eval_every = 500
    config.checkpoint_every = 500
    return config
