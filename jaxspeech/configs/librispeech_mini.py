"""FastConformer-CTC on 5.4 hours of LibriSpeech: a first run on recorded speech, on one GPU or (slowly) on a CPU.

    jaxspeech prepare librispeech_mini                    # data/librispeech_mini
    python train.py --config=configs/librispeech_mini.py
    python train.py --config=configs/librispeech_mini.py:cpu --config.init_from=runs/quickstart/model.jaxspeech

Manifests are data/librispeech_mini/{train,dev}.jsonl; --config.data_dir=FOLDER sets a different folder.

So little speech is not enough for a useful model: expect a falling loss and a WER below 100 %, no more. Time and score:
`cpu`, on two cores shared with other work, took 19 minutes (0.45 s per step); the loss per utterance fell from 494 to
314 and the WER on dev from 95.4 to 87.0 %. From scratch, a model twice as large still predicted only blanks after 13
minutes (1200 steps; 546 to 430). The default needs a GPU and has not been trained to the end.
"""

from ml_collections import ConfigDict

from jaxspeech.configs import quickstart
from jaxspeech.configs.base import base_config, pick
from jaxspeech.configs.recognizers import fastconformer_ctc

SIZES = {
    "gpu": {
        "model": {"num_layers": 16, "width": 176, "num_heads": 4, "dropout": 0.15, "dropout_att": 0.15},
        "batch_seconds": 240.0,
        "steps": 12_000,
    },
    # The quickstart's encoder, to start from its model: from scratch, training on so little speech takes too long on a
    # CPU.
    "cpu": {"model": quickstart.ENCODER, "batch_seconds": 96.0, "steps": 2_500},
}


def get_config(size: str = "gpu") -> ConfigDict:
    chosen = pick(SIZES, size, recipe="librispeech_mini")
    config = base_config()
    config.model = fastconformer_ctc(**chosen["model"])
    config.model.features.dither = 0.0 if size == "cpu" else 1e-5
    # Fewer masks than NeMo's settings, which are made for thousands of hours.
    config.model.spec_augment.time_masks = 5
    config.tokenizer.type = "unigram"
    config.tokenizer.vocab_size = 128

    folder = config.get_ref("data_dir") + "/librispeech_mini"
    config.data.train = folder + "/train.jsonl"
    config.data.eval = {"dev": folder + "/dev.jsonl"}
    config.data.buckets = 4
    config.data.batch_seconds = chosen["batch_seconds"]
    config.data.batch_size = 32
    config.augment.speed = (0.9, 0.95, 1.0, 1.05, 1.1)
    config.augment.gain_db = (-10.0, 6.0)
    config.augment.white_noise = {"level_db": (-80.0, -46.0), "probability": 0.5}

    config.optimizer.learning_rate = 2e-3
    config.optimizer.weight_decay = 1e-2
    config.average_decay = 0.999
    config.steps = chosen["steps"]
    config.eval_every = 500
    config.checkpoint_every = 500
    return config
