"""A recipe that trains in seconds, on the corpus in a folder: --config=tests/tiny_recipe.py:FOLDER."""

from ml_collections import ConfigDict

from jaxspeech.configs.base import base_config
from jaxspeech.configs.recognizers import fastconformer_ctc


def get_config(folder: str = "data") -> ConfigDict:
    config = base_config()
    config.model = fastconformer_ctc(num_layers=1, width=16, num_heads=2, subsampling="stacking")
    config.model.features.num_mels = 16
    config.model.encoder.dropout = config.model.encoder.dropout_att = 0.0  # half the time to compile
    config.model.spec_augment = {"freq_masks": 1, "freq_width": 2}
    config.tokenizer.type = "char"
    config.data.train = (f"{folder}/train.jsonl",)
    config.data.eval = {"dev": f"{folder}/dev.jsonl"}
    config.data.buckets = 1
    config.data.batch_size = config.data.eval_batch_size = 4
    config.augment.speed = (0.9, 1.0)
    config.augment.gain_db = (-3.0, 3.0)
    config.average_decay = 0.5
    config.steps = 24
    config.eval_every = 12
    config.checkpoint_every = 4
    config.log_every = 3
    return config
