"""Spoken digits, also by speakers never heard: the Free Spoken Digit Dataset, 8 kHz, 2500 utterances.

    python -m jaxspeech.data.prepare fsdd                                # data/fsdd
    python train.py --config=configs/fsdd.py

Manifests are data/fsdd/{train,dev}.jsonl, another folder with --config.data_dir=FOLDER.

Time on two cores: @@FSDD_TIME@@. Score: @@FSDD_WER@@ on dev; @@FSDD_UNHEARD@@ on a speaker left out of training.

The model works at the recordings' own 8 kHz. With five speakers the danger is learning their voices by heart:
hence the wide range of speeds (which shift pitch and formants, as another vocal tract does), equalisers and noise.
"""

from ml_collections import ConfigDict

from configs.base import base_config, fastconformer_ctc


def get_config() -> ConfigDict:
    config = base_config()
    config.model = fastconformer_ctc(
        num_layers=4, width=96, num_heads=4, subsampling_factor=4, subsampling_channels=32, xscaling=False
    )
    config.model.features = {"name": "mel", "sample_rate": 8000, "fft_size": 256, "num_mels": 40}
    config.model.spec_augment = {"freq_masks": 2, "freq_width": 10, "time_masks": 2, "time_width": 0.1}
    config.tokenizer.type = "char"

    folder = config.get_ref("data_dir") + "/fsdd"
    config.data.train = folder + "/train.jsonl"
    config.data.eval = {"dev": folder + "/dev.jsonl"}
    config.data.buckets = 3
    config.data.batch_seconds = 64.0
    config.data.batch_size = 64
    config.data.num_threads = 2
    config.augment.speed = (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2)
    config.augment.pad_seconds = 0.2
    config.augment.gain_db = (-15.0, 6.0)
    config.augment.equalize = {"gain_db": 8.0, "probability": 0.7}
    config.augment.white_noise = {"level_db": (-80.0, -35.0), "probability": 0.7}

    config.optimizer.learning_rate = 2e-3
    config.optimizer.weight_decay = 1e-2
    config.steps = 1_500
    config.eval_every = 250
    config.checkpoint_every = 250
    return config
