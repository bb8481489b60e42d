"""Any trained model on other speech: an archive, a .nemo file or a name on the Hub, and manifests of your own.

    python train.py --config=configs/finetune.py:runs/quickstart/model.jaxspeech --workdir=runs/mine \
        --config.data.train=mine/train.jsonl --config.data.eval.dev=mine/dev.jsonl

The model's fields are those of the file, and can be changed: --config.model.encoder.dropout=0.2. The tokenizer is the
model's too; with --config.tokenizer.type=bpe a new one is trained, and the pieces that both have keep their weights.
docs/fine-tuning.md has the rest: frozen parts, rates by part, LoRA, adapters.

Figures: the quickstart's model, which has heard nothing but eSpeak NG, on people's digits (FSDD; 32 utterances a
batch, a rate of 5e-4): 181.6 % WER on dev before, 51.6 % after 300 steps, 6.5 minutes on two cores shared with much
else.

Figures: a small model of librispeech_mini (configs/librispeech_mini.py:cpu) on Mandarin-accented English
(speechocean762, 428 utterances; a rate of 5e-4): 95.5 % WER on dev before, 90.7 % after 240 steps, 5.5 minutes on busy
cores.

The defaults suit half an hour to a few hours of speech: a tenth of a usual learning rate, and an average of the
parameters.
"""

from ml_collections import ConfigDict

from jaxspeech.builder import with_defaults
from jaxspeech.configs.base import any_type, base_config
from jaxspeech.loading import read_model


def get_config(model: str = "") -> ConfigDict:
    if not model:
        raise ValueError("configs/finetune.py: say which model, as in configs/finetune.py:model.jaxspeech")
    config = base_config()
    config.model = with_defaults(read_model(model).model)
    config.init_from = model
    config.tokenizer.type = "model"

    config.data.train = any_type("train.jsonl")
    config.data.eval = {"dev": "dev.jsonl"}
    config.data.buckets = 4
    config.data.batch_seconds = 160.0
    config.data.batch_size = 16
    config.augment.speed = (0.9, 1.0, 1.1)

    config.optimizer.learning_rate = 1e-4
    config.optimizer.weight_decay = 1e-2
    config.optimizer.schedule = {"name": "cosine", "warmup_ratio": 0.1, "min_learning_rate": 1e-6}
    config.average_decay = 0.99
    config.steps = 1_000
    config.eval_every = 100
    config.checkpoint_every = 100
    return config
