"""Trains a first speech recogniser from scratch: a small FastConformer-CTC on everyday sentences spoken by eSpeak NG.

    python -m pip install "jaxspeech[quickstart]"
    python train.py
    python train.py --config=configs/quickstart.py:tdt      # the same with a token-and-duration transducer
    python train.py --config=configs/quickstart.py:open     # letters, and a corpus with invented words

The corpus (5.5 hours, about 170 words) is made at the start, see jaxspeech/data/quickstart.py; the voices and the
sentences of the evaluation do not occur in training. The model is written to runs/quickstart/model.jaxspeech.

Time on two cores: 9.5 minutes, including installation and corpus. Score: 4.5 % WER on dev (voices not in training).
With TDT: 12.5 minutes on cores shared with other work, 3.2 % WER (2.8 % with a beam of 4).

The model of the first two knows 170 words by heart and writes one of them for any sound. With "open" it learns to spell
what it hears (jaxspeech/data/quickstart_open.py), so that a list of names helps it: see docs/boosting.md. 7.2 % WER on
dev, 29.3 % on new_words.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import TDT_DURATIONS, TDT_LOSS, base_config, fastconformer_ctc, fastconformer_transducer

# Frames are stacked instead of convolved, and there is no dropout, to save time on a CPU.
ENCODER = {
    "num_layers": 4,
    "width": 144,
    "num_heads": 4,
    "subsampling": "stacking_norm",
    "xscaling": False,
    "dropout": 0.0,
    "dropout_pre_encoder": 0.0,
    "dropout_att": 0.0,
}
# The sentences come from a few templates, which a prediction network learns long before the encoder learns anything. So
# it only sees two labels, half of its output is dropped, and a CTC head helps the encoder.
TDT = {
    "prediction": "stateless",
    "width": 144,
    "dropout": 0.5,
    "joint_width": 144,
    "durations": TDT_DURATIONS,
}


def tdt_with_ctc() -> ConfigDict:
    model = fastconformer_transducer(decoder=TDT, loss=TDT_LOSS, **ENCODER)
    model.task, model.ctc_weight = "hybrid", 0.5
    return model


# Letters are shorter than the pieces of words, so they need more frames.
MODELS = {
    "ctc": lambda: fastconformer_ctc(**ENCODER),
    "tdt": tdt_with_ctc,
    "open": lambda: fastconformer_ctc(**(ENCODER | {"subsampling_factor": 4})),
}


def get_config(kind: str = "ctc") -> ConfigDict:
    if kind not in MODELS:
        raise ValueError(f"configs/quickstart.py:{kind}: use {', '.join(MODELS)}")
    config = base_config()
    config.model = MODELS[kind]()
    config.model.features.dither = 0.0  # a normal draw for each sample is expensive on a CPU
    config.model.spec_augment = {"freq_masks": 2, "freq_width": 20, "time_masks": 1, "time_width": 0.05}
    config.tokenizer.vocab_size = 128

    config.data.prepare = "quickstart"
    config.data.train, config.data.eval = (), {}  # as prepared
    config.data.buckets = 3
    config.data.batch_seconds = 96.0
    config.data.batch_size = 16
    config.data.eval_batch_size = 50
    config.data.num_threads = 2
    config.augment.speed = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15)
    config.augment.equalize = {"gain_db": 6.0, "probability": 0.3}

    config.optimizer.learning_rate = 5e-3
    config.average_decay = 0.998
    config.steps = 3800
    config.eval_every = config.checkpoint_every = 950
    if kind == "tdt":  # needs fewer steps, each of which costs more
        config.average_decay = 0.995
        config.steps = 2600
        config.eval_every = config.checkpoint_every = 650
    if kind == "open":
        config.tokenizer = {"type": "char", "vocab_size": 0, "path": "", "characters": ""}
        config.data.prepare = "quickstart_open"
    config.log_every = 20
    return config
