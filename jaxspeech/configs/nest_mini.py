"""Pretraining on 5.4 hours of LibriSpeech, without their transcripts, and then CTC: on two cores of a CPU.

    jaxspeech prepare librispeech_mini                    # data/librispeech_mini
    jaxspeech train --config=nest_mini --workdir=runs/nest_mini
    jaxspeech train --config=librispeech_mini:cpu --config.init_from=runs/nest_mini/model.jaxspeech

The encoder is that of librispeech_mini:cpu and of the quickstart, so that both start from it. Fewer codes than NEST's,
because so little speech has 240,000 frames: with 8192 codes most of them would be seen a few times.
"""

from ml_collections import ConfigDict

from jaxspeech.configs import quickstart
from jaxspeech.configs.base import base_config
from jaxspeech.configs.nest import masked_prediction


def get_config() -> ConfigDict:
    config = base_config()
    config.model = masked_prediction(num_codes=512, num_books=2, **quickstart.ENCODER)
    config.model.features.dither = 0.0
    folder = config.get_ref("data_dir") + "/librispeech_mini"
    config.data.train = folder + "/train.jsonl"
    config.data.eval = {"dev": folder + "/dev.jsonl"}
    config.data.buckets = 4
    config.data.batch_seconds = 96.0
    config.data.batch_size = 32
    config.augment.speed = (0.9, 1.0, 1.1)
    config.loss_reduction = "mean_volume"
    config.optimizer.learning_rate = 2e-3
    config.optimizer.weight_decay = 1e-2
    config.average_decay = 0.999
    config.steps = 2_500
    config.eval_every = config.checkpoint_every = 500
    return config
