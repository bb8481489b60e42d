"""A small TitaNet, 0.6 million parameters, on 127 speakers: 20 of librispeech_mini and 107 of speechocean762.

    jaxspeech prepare speakers FOLDER/librispeech_mini/train.jsonl FOLDER/librispeech_mini/dev.jsonl \\
        --output=FOLDER/speakers
    jaxspeech train --config=speakers_mini --config.data_dir=FOLDER --workdir=runs/speakers
    jaxspeech verify --model=runs/speakers/model.jaxspeech --trials=FOLDER/speakers/trials.txt

FOLDER holds the manifests librispeech_mini, speechocean762_adult/{train,dev}.jsonl, and noise_rir/manifest.jsonl with
noises and rooms ("kind" is noise or rir). On your own speakers, with --config=speakers_mini:alone, it needs
speakers/{train,dev}.jsonl only (prepare speakers --dev=4), and adds white noise alone.

Time: 23 minutes on two slow cores (an AMD EPYC without AVX-512). Score: an equal error rate of 6.7 % on 6,000 trials
among seven speakers who were left out (8.9 % after a run of 800 steps), 9.6 % on the dev set.

Speeds of 0.9 and 1.1 make three speakers of one. The frames are 20 ms long.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, base_config, with_classes

DATA = ("corpora", "alone")


def get_config(data: str = "corpora") -> ConfigDict:
    if data not in DATA:
        raise ValueError(f"configs/speakers_mini.py:{data}: the choices are {', '.join(DATA)}")
    config = with_classes(base_config(), field="speaker")
    config.speakers = {"of_speeds": True}
    config.model = ConfigDict(
        {
            "task": "speaker",
            "features": {"name": "mel", "num_mels": 80},
            "spec_augment": {"freq_masks": 2, "freq_width": 10, "time_masks": 2, "time_width": 0.05},
            "encoder": {"name": "jasper", "blocks": blocks()},
            "decoder": {
                "name": "speaker",
                "attention_width": 64,
                "embedding_widths": (128,),
                "center": True,
                "num_classes": 0,
            },
            "loss": {"scale": 30.0, "margin": 0.2},
        }
    )
    folder = config.get_ref("data_dir")
    config.data.train = any_type(folder + "/speakers/train.jsonl")
    config.data.eval = {"dev": folder + "/speakers/dev.jsonl"}
    if data == "corpora":
        config.data.train = (folder + "/speakers/train.jsonl", folder + "/speechocean762_adult/train.jsonl")
        config.data.eval = {"dev": folder + "/speechocean762_adult/dev.jsonl"}
        noises = folder + "/noise_rir/manifest.jsonl"
        config.augment.noise = {"manifest": noises, "snr_db": (3.0, 20.0), "probability": 0.5}
        config.augment.rir = {"manifest": noises, "probability": 0.3}
    config.data.balance = 0.7
    config.data.buckets = any_type((2.0,))
    config.data.batch_seconds = 160.0
    config.data.batch_size = 64
    config.data.num_threads = 2
    config.augment.speed = (0.9, 1.0, 1.1)
    config.augment.crop_to = (1.6, 2.0)
    config.augment.gain_db = (-6.0, 6.0)
    config.augment.equalize = {"gain_db": 6.0, "points": 8, "probability": 0.5}
    config.augment.white_noise = {"snr_db": (10.0, 45.0), "probability": 0.3}
    config.optimizer.learning_rate = 3e-3
    config.optimizer.weight_decay = 2e-2
    config.average_decay = 0.99
    config.steps = 2000
    config.choose = "last"
    config.eval_every = 500
    config.checkpoint_every = 500
    return config


def blocks() -> tuple[dict, ...]:
    """The blocks of a TitaNet whose first one halves the number of frames."""
    shared = {"separable": True, "squeeze_excite": True, "dropout": 0.1}
    middle = ({"filters": 128, "kernel": kernel, "repeat": 2, "residual": True} for kernel in (7, 9, 11))
    sizes = ({"filters": 128, "kernel": 5, "stride": 2}, *middle, {"filters": 512, "kernel": 1})
    return tuple(shared | size for size in sizes)
