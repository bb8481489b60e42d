"""FastConformer-CTC on the 960 hours of LibriSpeech, for GPUs.

    python -m pip install "jaxspeech[tfds]"
    jaxspeech prepare tfds librispeech --output=data/librispeech/train.jsonl \\
        --split=train_clean100 --split=train_clean360 --split=train_other500
    jaxspeech prepare tfds librispeech --output=data/librispeech/dev.jsonl --split=dev_clean
    jaxspeech prepare tfds librispeech --output=data/librispeech/dev_other.jsonl --split=dev_other
    python train.py --config=configs/librispeech.py

TFDS downloads 60 GB; the FLAC files take another 60. Manifests are expected in data/librispeech;
--config.data_dir=FOLDER sets a different folder. The sizes are those of fastconformer_ctc.py, for example
configs/librispeech.py:medium; the default is large.

This recipe has not been run, so there is no expected score.
"""

from ml_collections import ConfigDict

from jaxspeech.configs import fastconformer_ctc


def get_config(size: str = "large") -> ConfigDict:
    config = fastconformer_ctc.get_config(size)
    folder = config.get_ref("data_dir") + "/librispeech"
    config.data.train = folder + "/train.jsonl"
    config.data.eval = {"dev": folder + "/dev.jsonl", "dev_other": folder + "/dev_other.jsonl"}
    config.tokenizer.vocab_size = 256  # 1024 suits more than a few thousand hours
    return config
