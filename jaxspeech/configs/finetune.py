"""Fine-tunes any trained model (an archive, a .nemo file or a name on the Hub) on your own manifests.

    python train.py --config=configs/finetune.py:runs/quickstart/model.jaxspeech --workdir=runs/mine \
        --config.data.train=mine/train.jsonl --config.data.eval.dev=mine/dev.jsonl

The model's fields are those of the file, and can be changed: --config.model.encoder.dropout=0.2. The tokenizer is also
the model's; with --config.tokenizer.type=bpe a new one is trained, and the pieces in both keep their weights.
So are a classifier's classes; with --config.classes.names="()" they are those of your manifests, and classes in both
keep their weights. docs/fine-tuning.md has the rest: frozen parts, rates by part, LoRA, adapters.

Figures: the quickstart's model, trained on speech of eSpeak NG only, on recorded digits (FSDD; 32 utterances per batch,
learning rate 5e-4): 181.6 % WER on dev before, 51.6 % after 300 steps, 6.5 minutes on two cores shared with much other
work.

Figures: a small model of librispeech_mini (configs/librispeech_mini.py:cpu) on Mandarin-accented English
(speechocean762, 428 utterances; learning rate 5e-4): 95.5 % WER on dev before, 90.7 % after 240 steps, 5.5 minutes on
busy cores.

The defaults suit half an hour to a few hours of speech: a tenth of the usual learning rate, and an average of the
parameters.
"""

from ml_collections import ConfigDict

from jaxspeech.builder import with_defaults
from jaxspeech.configs.base import any_type, base_config, with_classes
from jaxspeech.loading import read_model


def get_config(model: str = "") -> ConfigDict:
    if not model:
        raise ValueError("configs/finetune.py: name a model, as in configs/finetune.py:model.jaxspeech")
    config = base_config()
    archive = read_model(model)
    config.model = with_defaults(archive.model)
    config.init_from = model
    config.tokenizer.type = "model"
    if "classes" in archive.assets:
        config = with_classes(config)
        config.classes.names = "model"  # or (), those of the new recordings: classes in both keep their weights
        config.loss_reduction = "mean_volume"

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
