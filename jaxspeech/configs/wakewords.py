"""Spots six wake words (alexa, computer, jarvis, smart mirror, snowboy, view glass) with MatchboxNet, from 600 clips.

    jaxspeech prepare wakewords FOLDER/wakewords/train.jsonl FOLDER/wakewords/dev.jsonl --output=FOLDER/spotting \\
        --speech=FOLDER/librispeech_mini/train.jsonl,FOLDER/librispeech_mini/dev.jsonl \\
        --noise=FOLDER/noise_rir/manifest.jsonl
    jaxspeech train --config=wakewords --config.data_dir=FOLDER --workdir=runs/wakewords
    jaxspeech detect --model=runs/wakewords/model.jaxspeech --onset=0.94 --min_speech=0.3 --average=0.4 a.wav

Time: 306 s of user CPU time, 8 minutes beside other work. Score: all 90 clips of words on dev, and one false alarm in
18 minutes of the speech of dev, at the thresholds above.

The class "other" is all that is none of the words: parts of LibriSpeech, and noise. Any other set of words works the
same way, its manifests have lines {"audio_filepath", "duration", "label"}.

The recipe is that of configs/matchboxnet.py, except: fewer and smaller batches, AdamW, the speed of the speech is
varied, clips are cut and padded more, noise is added, and the average of the parameters is kept.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import base_config, with_classes
from jaxspeech.configs.matchboxnet import matchboxnet


def get_config() -> ConfigDict:
    config = with_classes(base_config())
    config.model = matchboxnet()
    config.model.label_smoothing = 0.05
    config.model.window_seconds = 1.3  # three quarters of the clips are shorter

    folder = config.get_ref("data_dir") + "/spotting"
    config.data.train = folder + "/train.jsonl"
    config.data.eval = {"dev": folder + "/dev.jsonl"}
    config.data.buckets = 2
    config.data.batch_size = 48
    config.data.num_threads = 2
    config.data.balance = 0.5  # nearly half of what is shown is of no word
    config.augment.speed = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15)
    config.augment.pad_seconds = 0.3
    config.augment.crop_seconds = 0.05
    config.augment.gain_db = (-10.0, 6.0)
    config.augment.equalize = {"gain_db": 6.0, "probability": 0.5}
    noises = config.get_ref("data_dir") + "/noise_rir/manifest.jsonl"
    config.augment.noise = {"manifest": noises, "snr_db": (5.0, 25.0), "probability": 0.4}
    config.augment.rir = {"manifest": noises, "probability": 0.2}
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
