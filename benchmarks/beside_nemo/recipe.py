"""Recipes for the comparison with NeMo: without extra voices, speeds, equalisers, noise and an averaged model.

Models and settings are the same as in `train_nemo.py`, which is measured on the same machine:

    python train.py --config=benchmarks/beside_nemo/recipe.py:fsdd-ctc --config.data_dir=DATA --workdir=FOLDER

`fsdd-ctc` and `fsdd-rnnt` have the encoder of configs/fsdd.py, `librispeech_mini-ctc` and `-rnnt` one of 12.6M
parameters. Both sides leave out digits longer than a second, 1 % of FSDD (and strings longer than 3.4 seconds). NeMo
draws batches from all lengths and pads them to their longest. Here `fsdd-ctc` has three buckets of lengths, the others
one: a transducer learns later from batches of similar lengths (with one seed of two it only predicted blanks after
these steps).

`digit_strings-rnnt` fine-tunes the model of `fsdd-rnnt`, trained on single digits, on strings of four digits
(`digit_strings.py`). Its lattices are eight times as large, but small compared with those of sentences:

    python -m benchmarks.beside_nemo.digit_strings --data=DATA
    python train.py --config=benchmarks/beside_nemo/recipe.py:digit_strings-rnnt --config.data_dir=DATA \
        --config.init_from=FOLDER/model.jaxspeech --workdir=STRINGS
"""

from ml_collections import ConfigDict

from jaxspeech.configs import fsdd, librispeech_mini
from jaxspeech.configs.base import base_config, fastconformer_ctc, fastconformer_transducer, pick

# Sizes of the prediction network and joint, utterances in a batch, steps, and the longest utterance.
SETS = {
    "fsdd": {"decoder": {"width": 64, "joint_width": 96}, "batch_size": 32, "steps": 1_000, "max_seconds": 1.0},
    "librispeech_mini": {
        "decoder": {"width": 320, "joint_width": 320},
        "batch_size": 8,
        "steps": 12,
        "max_seconds": 20.0,
    },
    "digit_strings": {
        "decoder": {"width": 64, "joint_width": 96},
        "batch_size": 32,
        "steps": 400,
        "max_seconds": 3.4,
    },
}


def get_config(kind: str = "fsdd-ctc") -> ConfigDict:
    name, _, decoder = kind.partition("-")
    chosen = pick(SETS, name, recipe="../benchmarks/beside_nemo/recipe")
    if name != "librispeech_mini":
        config = fsdd.get_config()
        config.data.train = config.get_ref("data_dir") + f"/{name}/train.jsonl"
        config.data.eval.dev = config.get_ref("data_dir") + f"/{name}/dev.jsonl"
        config.model.spec_augment = {"freq_masks": 2, "freq_width": 8, "time_masks": 1, "time_width": 0.15}
    else:
        config = librispeech_mini.get_config()
        config.model = fastconformer_ctc(num_layers=16, width=176, num_heads=4, subsampling_channels=176)
        config.tokenizer.type = "bpe"
    config.augment, config.data.prepare = base_config().augment, ""
    config.average_decay = 0.0
    config.steps = config.eval_every = config.checkpoint_every = chosen["steps"]
    config.data.buckets = 3 if kind == "fsdd-ctc" else 1
    config.data.batch_size = chosen["batch_size"]
    config.data.max_seconds = chosen["max_seconds"]
    config.data.batch_seconds = 160.0
    config.log_every = 4
    if name == "digit_strings":
        config.tokenizer.type = "model"
    if decoder == "rnnt":
        transducer = fastconformer_transducer(decoder=chosen["decoder"])
        config.model = ConfigDict({**config.model, **{key: transducer[key] for key in ("decoder", "loss", "search")}})
        config.model.task = "transducer"
    return config
