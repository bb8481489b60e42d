"""Trains the text-to-mel model that speaks to a recogniser: a small FastPitch with 24 speakers of eSpeak NG.

    python -m pip install "jaxspeech[quickstart,synthesis]"
    jaxspeech train --config=text_generator:asr.jaxspeech --workdir=runs/generator
    jaxspeech train --config=hybrid_text:asr.jaxspeech,runs/generator/model.jaxspeech --config.text.train=domain.txt

Its mel frames are those of the recogniser; without one, those of most recipes. The corpus of two hours is made at the
start, see jaxspeech/data/readers.py. For other speakers, name manifests whose lines have a "text" and a "speaker".
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import base_config
from jaxspeech.configs.fastpitch import speech, with_texts
from jaxspeech.configs.recognizers import FRONTEND
from jaxspeech.loading import read_model

STACK = {"num_layers": 3, "width": 128, "num_heads": 2, "head_width": 48, "hidden_width": 384}
STACK |= dict.fromkeys(("dropout", "dropout_att"), 0.0)


def get_config(recognizer: str = "") -> ConfigDict:
    model = read_model(recognizer).model if recognizer else FRONTEND
    features = model["recognizer"]["features"] if model.get("task") == "hybrid_text" else model["features"]
    config = with_texts(base_config())
    config.model = ConfigDict(
        speech(
            features | {"normalize": "none", "dither": 0.0, "pad_to": 0},
            stack=STACK,
            predictor={"hidden_width": 128},
            speakers={"number": 0},  # set from the data
            loss={"binarization_warmup": 1_000},
        )
    )
    config.front_end = {"type": "espeak"}
    config.data.prepare = "readers"
    config.data.train, config.data.eval = (), {}
    config.data.buckets = 3
    config.data.batch_seconds = 64.0
    config.data.batch_size = 24
    config.data.eval_batch_size = 16
    config.data.num_threads = 2
    config.optimizer.learning_rate = 2e-3
    config.optimizer.weight_decay = 1e-4
    config.average_decay = 0.995
    config.choose = "last"
    config.steps = 1_500
    config.eval_every = config.checkpoint_every = 500
    config.log_every = 20
    return config
