"""Recognises spoken digits, also by new speakers: the Free Spoken Digit Dataset, 8 kHz, 2500 utterances.

    jaxspeech prepare fsdd                                # data/fsdd
    python train.py --config=configs/fsdd.py

Manifests are data/fsdd/{train,dev}.jsonl; --config.data_dir=FOLDER sets a different folder. 2000 digits spoken by
eSpeak NG are added to the training data (jaxspeech/data/spoken_digits.py; extra "quickstart"), unless
--config.data.prepare= is empty.

Time on two cores: 12.7 minutes. Score: 1.2 % WER on dev, 250 digits by the speakers of the training part. On all digits
of a speaker who is left out of training (one seed): george 10.4 %, jackson 7.8 %, lucas 10.0 %, yweweler 11.8 %; theo,
with 4500 steps instead of 8000, 7.0 %; 9.4 % on average. Without eSpeak's voices it was 28 to 33 % for george and 11 to
13 % for lucas (3000 to 5000 steps), and 0.4 % on dev. Many of the errors are "six" and "three" recognised as "eight":
the sounds that distinguish them are faint or cut off in some recordings.

The model works at the recordings' own 8 kHz. With five speakers it could overfit to their voices and microphones: hence
the other voices, the wide range of speeds (which shift pitch and formants, like a different vocal tract), equalisers,
cut ends, and noise relative to the speech, as two of the five speakers are 20 dB quieter than the others.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import base_config
from jaxspeech.configs.recognizers import fastconformer_ctc


def get_config() -> ConfigDict:
    config = base_config()
    config.model = fastconformer_ctc(
        num_layers=4, width=96, num_heads=4, subsampling_factor=4, subsampling_channels=32, xscaling=False
    )
    # One digit is too short for statistics of each mel band, which could remove its vowels: all bands share them.
    config.model.features = {
        "name": "mel",
        "sample_rate": 8000,
        "fft_size": 256,
        "num_mels": 40,
        "normalize": "all_features",
    }
    config.model.spec_augment = {"freq_masks": 2, "freq_width": 8, "time_masks": 2, "time_width": 0.2}
    config.tokenizer.vocab_size = 60  # enough to make each digit one token

    folder = config.get_ref("data_dir") + "/fsdd"
    config.data.train = folder + "/train.jsonl"
    config.data.eval = {"dev": folder + "/dev.jsonl"}
    config.data.prepare = "spoken_digits"
    config.data.buckets = 2
    config.data.batch_seconds = 40.0
    config.data.batch_size = 32
    config.data.num_threads = 2
    config.augment.speed = (0.76, 0.8, 0.84, 0.88, 0.92, 0.96, 1.0, 1.04, 1.08, 1.12, 1.16, 1.2, 1.24)
    config.augment.pad_seconds = 0.1
    config.augment.crop_seconds = 0.2
    config.augment.gain_db = (-15.0, 6.0)
    config.augment.equalize = {"gain_db": 8.0, "points": 8, "probability": 0.7}
    config.augment.white_noise = {"snr_db": (5.0, 45.0), "probability": 0.7}

    config.optimizer.learning_rate = 3e-3
    config.optimizer.weight_decay = 1e-2
    config.average_decay = 0.999
    config.steps = 8_000
    config.choose = "last"  # one digit on dev is chance, and new speakers improve until the end
    config.eval_every = 1_000
    config.checkpoint_every = 1_000
    return config
