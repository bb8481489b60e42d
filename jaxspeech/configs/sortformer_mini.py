"""A small Sortformer, 1.0 million parameters, on conversations that are simulated from 18 + 107 speakers as it trains.

    jaxspeech train --config=speakers_mini --config.data_dir=FOLDER --workdir=runs/speakers
    jaxspeech prepare conversations --manifest=FOLDER/speakers/test.jsonl --output=FOLDER/conversations/dev \\
        --sessions=24 --minutes=0.5 --turns=1-6
    jaxspeech train --config=sortformer_mini --config.data_dir=FOLDER --workdir=runs/sortformer \\
        --config.init_from=runs/speakers/model.jaxspeech

FOLDER holds what configs/speakers_mini.py needs, and after it speakers/{train,test}.jsonl. The first blocks of the
encoder are those of the speaker model, whose last one keeps every fourth frame: 80 ms, as all Sortformers have. The
speakers of speakers/test.jsonl and of librispeech_mini/dev.jsonl take no part, so that both are for tests.

Score: after 1,100 steps (35 minutes on two cores beside much other work) a DER of 33 % on the dev set, still
falling; 22 % for two speakers, 39 % for three (docs/diarization.md). Not all of its 2,000 steps have been run.

Every epoch has new conversations of one to three speakers. A changed speed makes other voices of a speaker.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, base_config
from jaxspeech.configs.sortformer import with_sessions
from jaxspeech.configs.speakers_mini import blocks

# Blocks that the speaker model does not have: each frame looks 0.6 s around itself.
AROUND = {"filters": 128, "kernel": 15, "separable": True, "residual": True, "dropout": 0.1}


def get_config() -> ConfigDict:
    config = with_sessions(base_config(), seconds=30.0)
    *first, last = blocks()
    config.model = ConfigDict(
        {
            "task": "sortformer",
            "features": {"name": "mel", "num_mels": 80},
            "spec_augment": {"freq_masks": 2, "freq_width": 10, "time_masks": 0},
            "encoder": {"name": "jasper", "blocks": (*first, last | {"stride": 4}, AROUND, AROUND)},
            "decoder": {
                "name": "sortformer",
                **{"num_speakers": 3, "num_layers": 3, "width": 128, "num_heads": 4, "hidden_width": 512},
                **{"norm_first": True, "dropout": 0.1, "dropout_att": 0.0, "dropout_out": 0.1},
            },
            "loss": {"ats_weight": 0.5, "pil_weight": 0.5, "class_normalization": "none"},
            "scale_audio": False,
        }
    )
    folder = config.get_ref("data_dir")
    config.data.train = (folder + "/speakers/train.jsonl", folder + "/speechocean762_adult/train.jsonl")
    config.data.eval = {"dev": folder + "/conversations/dev/manifest.jsonl"}
    config.data.max_seconds = 30.0
    config.data.buckets = any_type((12.0, 20.0))
    config.data.batch_seconds = 320.0
    config.data.batch_size = 26
    config.data.num_threads = 2
    config.conversations = {
        **{"sessions": 1600, "speakers": (1, 3), "seconds": (8.0, 20.0), "turns": (0.8, 6.0)},
        **{"overlap": any_type((0.0, 0.25)), "pauses": any_type((0.03, 0.25)), "speed": (0.88, 0.94, 1.0, 1.06, 1.12)},
        "leave_out": any_type(folder + "/librispeech_mini/dev.jsonl"),
    }
    config.augment.gain_db = (-6.0, 6.0)
    config.augment.white_noise = {"snr_db": (20.0, 55.0), "probability": 1.0}
    config.init.exclude = any_type(("encoder/block_[56]/",))
    config.optimizer.learning_rate = 1.5e-3
    config.optimizer.weight_decay = 1e-2
    # The first blocks of the speaker model stay as they are. No gradient is needed where there are most frames, so that
    # the gradients of 16 x 20 s take 0.59 s instead of 0.89 on two quiet cores.
    config.freeze = any_type((r"encoder/block_[0-2]/",))
    config.average_decay = 0.99
    config.steps = 2000
    config.choose = "last"
    config.eval_every = 500
    config.checkpoint_every = 500
    return config
