"""What the recipes share. A recipe starts from these values and changes what it needs."""

from ml_collections import ConfigDict
from ml_collections.config_dict import FieldReference


def base_config() -> ConfigDict:
    """Everything that train.py reads, except the model and the manifests."""
    return ConfigDict(
        {
            "seed": 0,
            "steps": 100_000,
            "eval_every": 2_000,
            "checkpoint_every": 1_000,
            "log_every": 50,
            "keep": {"last": 2, "best": 1},  # checkpoints
            "choose": "best",  # evaluated model, by the first set, becomes model.jaxspeech; or the "last"
            "max_skipped": 20,  # updates in a row that a gradient that is not finite may cost before the run stops
            "histograms": False,  # of all parameters, for TensorBoard, at each evaluation
            "loss_reduction": "mean_batch",  # or mean_volume, mean, sum: see training/step.py
            "average_decay": 0.0,  # above 0, the moving average of the parameters is evaluated and saved
            # All devices, -1 as many as there are; how the state is split over them, and in how many parts a batch goes
            # through a step: see training/sharding.py and accumulation.py.
            "mesh": {"data": -1, "model": 1},
            "sharding": any_type("replicated"),  # or fsdp, tensor, fsdp_tensor, or a table of rules
            "accumulate": 1,
            # A trained model to start from: a .jaxspeech or .nemo file, or a name on the Hub; see docs/fine-tuning.md.
            "init_from": "",
            "init": {"include": (), "exclude": (), "tolerance": 0.002},
            "freeze": (),
            "train_only": (),
            "lora": {"rank": 0, "alpha": 16.0, "targets": (r"attention/(query|key|value|out)/kernel$",)},
            # Where the manifests of a recipe are found.
            "data_dir": "data",
            # "char", "bpe" or "unigram", trained on the transcripts, unless there is a path or a set of characters; or
            # "model": that of init_from.
            "tokenizer": {"type": "bpe", "vocab_size": 1024, "path": "", "characters": ""},
            "data": {
                "prepare": "",
                "temperature": 1.0,  # above 1, small sources among several are shown more often
                "min_seconds": 0.1,
                "max_seconds": 20.0,
                "buckets": any_type(8),  # how many padded lengths a batch can have, or those lengths in seconds
                "batch_seconds": 320.0,  # padded audio in a batch; 0 is the most that fits, found by a dry run
                "batch_size": 64,
                "eval_batch_size": 32,
                "channel": any_type("mean"),  # or a number, from 0 on
                "num_threads": 4,
                "seed": 0,
            },
            "augment": {
                "speed": (1.0,),
                "pad_seconds": 0.0,
                "crop_seconds": 0.0,
                "gain_db": (0.0, 0.0),
                "equalize": {},
                "rir": {},
                "noise": {},
                "white_noise": {},
            },
            "optimizer": {
                "name": "adamw",
                "learning_rate": 1e-3,
                "beta1": 0.9,
                "beta2": 0.98,
                "weight_decay": 1e-3,
                "clip_norm": 1.0,
                "rates": (),  # (pattern, factor) pairs: what multiplies the rate of the parameters whose names match
                "schedule": {"name": "cosine", "warmup_ratio": 0.1, "min_learning_rate": 1e-5},
            },
        }
    )


def any_type(value) -> FieldReference:
    """A field whose values are of several types; others keep the type of their first."""
    return FieldReference(value, field_type=object)


def published(model: ConfigDict) -> ConfigDict:
    """What the recipes with published sizes share: your own manifests, of utterances up to 16.7 s."""
    config = base_config()
    config.model = model
    config.data.train = any_type("data/train.jsonl")  # or several, with weights: see docs/data.md
    config.data.eval = {"dev": "data/dev.jsonl"}
    config.data.max_seconds = 16.7
    config.augment.speed = (0.9, 1.0, 1.1)
    return config


def noam(config: ConfigDict, *, width: int, factor: float, weight_decay: float = 1e-3) -> None:
    """AdamW with Noam's schedule, whose rate is `factor` times a power of the width and the steps."""
    config.optimizer.learning_rate = factor
    config.optimizer.weight_decay = weight_decay
    config.optimizer.clip_norm = 0.0
    config.optimizer.schedule = {"name": "noam", "width": width, "warmup_steps": 10_000, "min_learning_rate": 1e-6}


def pick(sizes: dict, size: str, *, recipe: str) -> dict:
    """The fields of a size.

    Raises:
      ValueError: there is no such size; says which there are.
    """
    if size not in sizes:
        raise ValueError(f"configs/{recipe}.py:{size}: the sizes are {', '.join(sizes)}")
    return sizes[size]


def ctc(encoder: dict) -> ConfigDict:
    """Any encoder with a CTC head, and NeMo's features and masks."""
    return ConfigDict({"task": "ctc", **FRONTEND, "encoder": encoder, "decoder": {"name": "ctc", "vocab_size": 0}})


def transducer(encoder: dict, *, decoder: dict | None = None, loss: dict | None = None) -> ConfigDict:
    """Any encoder with a transducer, and NeMo's settings, but for the given fields of decoder and loss.

    It is an RNN-T, or with `durations` of the decoder a TDT. Training and inference share `dtype`.
    """
    transducer = {
        "name": "transducer",
        "vocab_size": 0,  # the tokenizer decides
        "prediction": "lstm",
        "width": 640,
        "num_layers": 1,
        "joint_width": 640,
        "activation": "relu",
        "dropout": 0.2,
        "joint_dropout": 0.2,
        "durations": (),
        "dtype": encoder.get("dtype", "float32"),
    }
    options = {"fastemit": 0.0, "clamp": -1.0, "sigma": 0.0, "omega": 0.0}
    return ConfigDict(
        {
            "task": "transducer",
            **FRONTEND,
            "encoder": encoder,
            "decoder": transducer | (decoder or {}),
            "loss": options | (loss or {}),
            "search": {"max_symbols": 10},
        }
    )


def fastconformer_ctc(**encoder) -> ConfigDict:
    """A FastConformer with a CTC head and NeMo's settings, but for the fields of the encoder that are given."""
    return ctc(FASTCONFORMER | encoder)


def fastconformer_transducer(*, decoder: dict | None = None, loss: dict | None = None, **encoder) -> ConfigDict:
    """A FastConformer transducer, as `transducer`."""
    return transducer(FASTCONFORMER | encoder, decoder=decoder, loss=loss)


FRONTEND = {
    "features": {"name": "mel", "sample_rate": 16000, "num_mels": 80},
    "spec_augment": {"freq_masks": 2, "freq_width": 27, "time_masks": 10, "time_width": 0.05},
}
FASTCONFORMER = {
    "name": "fastconformer",
    "subsampling": "dw_striding",
    "subsampling_factor": 8,
    "subsampling_channels": 256,
    "xscaling": True,
    "conv_kernel": 9,
    "dropout": 0.1,
    "dropout_pre_encoder": 0.1,
    "dropout_att": 0.1,
    "remat": "dots",  # what is computed again instead of kept: see docs/scaling.md
    "dtype": "float32",
}
# What a Conformer has otherwise.
CONFORMER = FASTCONFORMER | {"subsampling": "striding", "subsampling_factor": 4, "conv_kernel": 31}

# Token-and-duration transducer: how far one output may reach, and NeMo's settings of its loss.
TDT_DURATIONS = (0, 1, 2, 3, 4)
TDT_LOSS = {"sigma": 0.02, "omega": 0.1}
