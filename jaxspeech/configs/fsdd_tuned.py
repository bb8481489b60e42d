"""Recognises spoken digits, also by new speakers: configs/fsdd.py with an encoder that knows English already.

    jaxspeech prepare fsdd                                # data/fsdd
    python train.py --config=configs/fsdd_base.py
    python train.py --config=configs/fsdd_tuned.py

starts from runs/fsdd_base/model.jaxspeech; --config.init_from=MODEL names a different one. The head is new: each digit
is a token. `python -m benchmarks.left_out_voices` trains both, and scores voices that are left out.

It does not reach configs/fsdd.py yet: of 3,000 steps from the model of 4,000, 15.4 % of all digits of george, who was
left out, came out wrong (configs/fsdd.py reaches 10.4 % in 8,000 steps). 50 of the 77 are "six" and "three" heard as
"eight", 12 are "four" heard as "five". A model of 94 % WER on read speech may know too little of vowels to help.
"""

from ml_collections import ConfigDict

from jaxspeech.configs import fsdd


def get_config() -> ConfigDict:
    config = fsdd.get_config()
    config.init_from = "runs/fsdd_base/model.jaxspeech"
    config.model.encoder.scan_layers = False  # as in fsdd_base
    config.augment.band = {"low_hz": (50.0, 300.0), "high_hz": (2800.0, 3900.0), "probability": 0.3}
    config.optimizer.learning_rate = 1.5e-3
    config.steps = 3_000
    config.eval_every = config.checkpoint_every = 1_500
    return config
