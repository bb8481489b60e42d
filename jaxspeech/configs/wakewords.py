"""Spots six wake words (alexa, computer, jarvis, smart mirror, snowboy, view glass) with MatchboxNet, from 600 clips.

    python train.py --config=configs/wakewords.py --config.data_dir=DATA

Manifests are DATA_DIR/wakewords/{train,dev}.jsonl, lines {"audio_filepath", "duration", "label"}; any other set of
words works the same way.

Time on two cores, shared with other work: 8 minutes. Score: 100 % accuracy on dev, 90 clips. All clips are of one of
the words: the model has no class for anything else, and takes other speech for one of them.

The recipe is that of configs/matchboxnet.py, except: fewer and smaller batches, AdamW, the speed of the speech is
varied, clips are cut and padded more, and the average of the parameters is kept.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import base_config, with_classes
from jaxspeech.configs.matchboxnet import matchboxnet


def get_config() -> ConfigDict:
    config = with_classes(base_config())
    config.model = matchboxnet()
    config.model.label_smoothing = 0.1

    folder = config.get_ref("data_dir") + "/wakewords"
    config.data.train = folder + "/train.jsonl"
    config.data.eval = {"dev": folder + "/dev.jsonl"}
    config.data.buckets = 2
    config.data.batch_size = 32
    config.data.num_threads = 2
    config.data.balance = 1.0
    config.augment.speed = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15)
    config.augment.pad_seconds = 0.2
    config.augment.crop_seconds = 0.05
    config.augment.gain_db = (-10.0, 6.0)
    config.augment.equalize = {"gain_db": 6.0, "probability": 0.5}
    config.augment.white_noise = {"snr_db": (5.0, 45.0), "probability": 0.7}

    config.loss_reduction = "mean_volume"
    config.optimizer.learning_rate = 3e-3
    config.optimizer.weight_decay = 1e-2
    config.average_decay = 0.995
    config.steps = 750
    config.choose = "last"  # all of dev is right after 250 steps, and new voices improve until the end
    config.eval_every = config.checkpoint_every = 250
    config.log_every = 25
    return config
