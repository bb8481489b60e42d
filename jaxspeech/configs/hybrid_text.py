"""Trains a recogniser with lines of text, which a frozen text-to-mel model speaks to it inside the training step.

    # A trained recogniser is adapted to a domain of which there are texts alone.
    jaxspeech train --config=hybrid_text:asr.jaxspeech,generator.jaxspeech --config.text.train=domain.txt \
        --config.data.eval.dev=dev.jsonl

    # Half of what it hears are recordings, so that it does not forget.
    ... --config.text.share=0.5 --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

    # A new recogniser, with a tokenizer trained on the texts.
    jaxspeech train --config=hybrid_text:new,generator.jaxspeech --config.text.train=corpus.txt

    # Through the sound of a voice of the same sample rate, for comparison: slower, and with any mel frames.
    jaxspeech train --config=hybrid_text:asr.jaxspeech,voice.jaxspeech,sound --config.text.train=domain.txt

The generator is a text-to-mel model, or a voice, with the recogniser's mel frames; configs/text_generator.py trains
one. If it has several speakers, a random one speaks each line. `model.jaxspeech` holds the recogniser alone, and with
`text.save="whole"` the generator too. docs/text-only.md has more.

The defaults are for adaptation: batch norms keep their statistics, as those of generated speech are others, and the
learning rate is NeMo's. For a new recogniser both differ.
"""

from ml_collections import ConfigDict

from jaxspeech.builder import with_defaults
from jaxspeech.configs.base import any_type, base_config, with_prompts
from jaxspeech.configs.quickstart import ENCODER
from jaxspeech.configs.recognizers import fastconformer_ctc
from jaxspeech.loading import read_model

NEW, SOUND = "new", "sound"


def get_config(models: str = "") -> ConfigDict:
    recognizer, generator, *way = models.split(",") if "," in models else ("", "")
    if not recognizer or not generator or way not in ([], [SOUND]):
        raise ValueError(
            "configs/hybrid_text.py: name a recogniser and a text-to-mel model, as in "
            f'configs/hybrid_text.py:asr.jaxspeech,generator.jaxspeech; "{NEW}" is a new recogniser'
        )
    config = base_config()
    speech = read_model(generator).model
    if way and speech.get("task") != "voice":
        raise ValueError(f"configs/hybrid_text.py: {generator} is no voice, and so makes no {SOUND}")
    speech = speech["speech"] if speech.get("task") == "voice" and not way else speech
    if recognizer == NEW:
        own = fastconformer_ctc(**ENCODER).to_dict()
        mel = speech["speech"]["features"] if way else speech["features"]
        own["features"] = dict(mel) | {"normalize": "per_feature"}
    else:
        archive = read_model(recognizer)
        own = archive.model["recognizer"] if archive.model.get("task") == "hybrid_text" else archive.model
        config.init_from, config.tokenizer.type = recognizer, "model"
        if own.get("task") == "attention":
            config = with_prompts(config)
    model = {"task": "hybrid_text", "recognizer": own, "generator": speech, "fixed_statistics": recognizer != NEW}
    config.model = with_defaults(model)
    config.text = {
        "train": any_type("lines.txt"),  # or several, with weights; a line each, or manifests with a "text"
        "generator": generator,
        "share": 1.0,  # of the lines among the examples; the rest are the recordings of data.train
        "speakers": any_type(()),  # of the generator; (): all
        "save": "recognizer",  # or "whole"
    }
    config.data.train = any_type(())
    config.data.eval = {"dev": "dev.jsonl"}  # recordings; or {}, where there are none
    config.data.buckets = 4
    config.data.batch_seconds = 160.0
    config.data.batch_size = 16
    config.augment.speed = (0.9, 1.0, 1.1)

    config.optimizer.learning_rate = 1e-4
    config.optimizer.weight_decay = 1e-3
    config.optimizer.schedule = {"name": "cosine", "warmup_ratio": 0.1, "min_learning_rate": 1e-6}
    config.average_decay = 0.99
    config.steps = 1_000
    config.eval_every = config.checkpoint_every = 100
    if recognizer == NEW:
        config.optimizer.learning_rate, config.average_decay = 3e-3, 0.998
        config.steps, config.eval_every, config.checkpoint_every = 10_000, 1_000, 1_000
    return config
