"""The cases of the contract tests: every task and three toys, each on the corpus of tones."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxspeech import assets, builder, jobs
from jaxspeech.configs.base import with_chat, with_classes, with_prompts
from jaxspeech.configs.recognizers import attention, ctc, transducer
from jaxspeech.jobs.job import Placement
from jaxspeech.run_start import load
from tests.contract.toys import adversarial, clip_classifier, generator, text_only
from tests.interop.random_model import task_variables
from tests.tiny_recipe import get_config

TOYS = (clip_classifier, adversarial, text_only)
# No dropout, dither or masks: a loss does not depend on the random key. Layer norms, so that rows are independent.
ENCODER = {
    **{"name": "fastconformer", "num_layers": 1, "width": 16, "num_heads": 2, "subsampling": "stacking"},
    **{"conv_norm": "layer", "conv_kernel": 5, "dropout": 0.0, "dropout_pre_encoder": 0.0, "dropout_att": 0.0},
}
DECODER = {"width": 12, "joint_width": 10, "dropout": 0.0, "joint_dropout": 0.0}


def _quiet(model: ConfigDict, **more: Any) -> dict[str, Any]:
    plain = model.to_dict() | {"spec_augment": {}} | more
    return plain | {"features": plain["features"] | {"num_mels": 16, "dither": 0.0, "normalize": "none"}}


RECOGNITION = {
    "ctc": _quiet(ctc(ENCODER)),
    "transducer": _quiet(transducer(ENCODER, decoder=DECODER)),
    # What a CTC model can have, a hybrid one has too. It reads the language of each row.
    "hybrid": _quiet(
        transducer(ENCODER, decoder=DECODER),
        task="hybrid",
        ctc_weight=0.4,
        interctc={"layers": (0,), "weights": (0.2,)},
        consistency={"weight": 0.3},
        language_prompt={"num_prompts": 0, "mode": "langID"},
    ),
}
# The only speaker of the tones is whom the model follows.
MULTITALKER = _quiet(
    transducer(ENCODER | {"speaker_kernels": (0,), "dropout_speakers": 0.0}, decoder=DECODER), task="multitalker"
)
OF_LABELS = {
    "classification": {
        "task": "classification",
        "features": {"name": "mfcc", "num_mels": 16, "num_coefficients": 12},
        "encoder": ENCODER,
        "decoder": {"name": "pooled"},
    },
    "regression": {
        "task": "regression",
        "features": {"name": "mel", "num_mels": 16, "dither": 0.0, "normalize": "none"},
        "encoder": ENCODER,
        "decoder": {"name": "pooled"},
    },
    "frame_classification": {
        "task": "frame_classification",
        "features": {"name": "mel", "num_mels": 16, "dither": 0.0, "normalize": "none"},
        "encoder": ENCODER,
        "decoder": {"name": "frames", "num_layers": 2},
    },
}
# Layer norms here too; the first word of a recording stands for its speaker.
SPEAKER = _quiet(
    ConfigDict({"task": "speaker", "features": {"name": "mel"}, "encoder": ENCODER}),
    decoder={"name": "speaker", "embedding_widths": (8,), "attention_width": 6, "norm": "layer"},
)
TRANSFORMER = {"width": 12, "num_layers": 1, "num_heads": 2, "hidden_width": 20, "encoder_layers": 1}
TRANSFORMER |= {"encoder_heads": 2, "encoder_hidden_width": 20, "max_length": 40}
TRANSFORMER |= dict.fromkeys(("dropout", "dropout_att", "dropout_emb"), 0.0)
ATTENTION = _quiet(attention(ENCODER, decoder=TRANSFORMER), search={"beam_size": 2, "more_than_frames": 4})
# What a model without a CTC head has, one with it has too.
WITH_HEAD = ATTENTION | {"loss": {"ctc_weight": 0.3}, "search": ATTENTION["search"] | {"ctc_weight": 0.4}}
# Each word is a speaker.
SORTFORMER = _quiet(
    ConfigDict({"task": "sortformer", "features": {"name": "mel"}, "encoder": ENCODER}),
    decoder={
        **{"name": "sortformer", "num_speakers": 3, "num_layers": 1, "width": 12, "num_heads": 2, "hidden_width": 20},
        **dict.fromkeys(("dropout", "dropout_att", "dropout_out"), 0.0),
    },
)
# Of the texts alone, with a context shorter than most of them.
LANGUAGE = {
    "task": "language_model",
    "decoder": {
        **{"name": "transformer", "width": 12, "num_layers": 1, "num_heads": 2, "hidden_width": 20, "context": 4},
        **dict.fromkeys(("dropout", "dropout_att", "dropout_emb"), 0.0),
    },
}
ENHANCEMENT = {
    "task": "enhancement",
    "channels": 1,
    "stft": {"fft_length": 256, "hop": 128},
    "estimator": {"name": "mask_rnn", "width": 8, "num_layers": 1, "bidirectional": False},
    "processor": {"name": "reference"},
    "loss": {"name": "sdr"},
}
# Every frame is masked, whatever the key: each starts a block.
PRETRAIN = _quiet(
    ConfigDict({"task": "pretrain", "features": {"name": "mel"}, "encoder": ENCODER | {"subsampling": "dw_striding"}}),
    quantizer={"name": "random_projection", "num_codes": 12, "num_books": 2, "code_dim": 4},
    masking={"name": "blocks", "block": 1, "probability": 1.0},
    decoder={"name": "softmax", "num_codes": 12, "num_books": 2},
)
PRETRAIN["encoder"] |= {"subsampling_channels": 4}
del PRETRAIN["spec_augment"]
VOCODER = {
    "task": "vocoder",
    "features": {
        **{"name": "mel", "num_mels": 8, "fft_size": 256, "window_seconds": 0.016, "hop_seconds": 0.008},
        **{"preemphasis": None, "dither": 0.0, "normalize": "none", "exact_pad": True},
    },
    "generator": {"name": "vocos", "width": 8, "hidden_width": 8, "num_layers": 1, "fft_size": 256, "hop": 128},
    "discriminators": {"name": "hifigan", "periods": (3,), "period_channels": (4,), "num_scales": 0},
}
STACK = {"name": "fft", "num_layers": 1, "width": 12, "num_heads": 1, "head_width": 8, "hidden_width": 12}
STACK |= dict.fromkeys(("dropout", "dropout_att"), 0.0)
PREDICTOR = {"name": "convolutions", "num_layers": 1, "hidden_width": 8, "dropout": 0.0}
SPEECH = {
    "task": "speech",
    "features": {"name": "mel", "num_mels": 16, "hop_seconds": 0.016, "dither": 0.0, "normalize": "none"},
    **{"encoder": STACK, "decoder": STACK, "duration": PREDICTOR, "pitch": PREDICTOR},
    "aligner": {"name": "distances", "channels": 8},
}
# Short dilated kernels with snakes and mirrored ends, and a discriminator of each kind.
WAVES = {"name": "codec", "kernel_sizes": (3,), "dilations": (2,), "activation": "half_snake"}
CODEC = {
    "task": "codec",
    "sample_rate": 16000,
    "encoder": {**WAVES, "width": 4, "rates": (8, 20), "channels": 2},
    "quantizer": {"name": "fsq", "groups": 2, "levels": (4, 3)},
    "decoder": {**WAVES, "rates": (20, 8), "channels": 8},
    "loss": {"resolutions": ((256, 64, 256),), "num_mels": (8,)},
    "discriminator": {"periods": (3,), "period_channels": (2,), "resolutions": ((256, 128),), "bands": ((0.5, 1.0),)},
}
CODEC["discriminator"] |= {"channels": 2}
# Without the diversity of the codes, which is that of a whole batch.
CONTRASTIVE = {
    "task": "contrastive",
    "features": {"name": "mel", "num_mels": 16, "dither": 0.0},
    "encoder": ENCODER,
    "quantizer": {"name": "gumbel", "size": 4, "width": 8, "groups": 2},
    "decoder": {"name": "reconstruction", "width": 8, "hidden_width": 8},
    "masking": {"patch_frames": 8, "patches": 0.5},
    "loss": {"num_negatives": 3, "diversity": 0.0},
    "masked_codes": {"weight": 10.0},
}
# Each recording has a question; the answers are cut before most random models end them.
SPEECH_LM = _quiet(
    ConfigDict({"task": "speech_lm", "features": {"name": "mel"}, "encoder": ENCODER}),
    connector={"name": "projection"},
    decoder={
        **{"name": "causal_transformer", "vocab_size": 0, "width": 12, "num_layers": 1, "num_heads": 2},
        **{"num_groups": 1, "hidden_width": 16, "rope": {"theta": 100.0}},
    },
    search={"most_tokens": 5},
)
# Half of the rows are texts, which a toy speaks.
HYBRID_TEXT = {"task": "hybrid_text", "recognizer": RECOGNITION["ctc"], "generator": generator.MODEL}
WHOLE = {
    "attention": WITH_HEAD,
    "codec": CODEC,
    "contrastive": CONTRASTIVE,
    "enhancement": ENHANCEMENT,
    "hybrid_text": HYBRID_TEXT,
    "language_model": LANGUAGE,
    "multitalker": MULTITALKER,
    "pretrain": PRETRAIN,
    "sortformer": SORTFORMER,
    "speaker": SPEAKER,
    "vocoder": VOCODER,
    "speech": SPEECH,
    "speech_lm": SPEECH_LM,
}
MODELS = RECOGNITION | OF_LABELS | WHOLE | {toy.NAME: toy.MODEL for toy in TOYS}
NAMES = sorted(MODELS)


@contextmanager
def toys_in_the_tables() -> Iterator[None]:
    """Registers the toys by the same table lines as a task of the package, and nothing else."""
    tables: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (builder.TASKS, {toy.NAME: toy.KIND for toy in (*TOYS, generator)}),
        (jobs.JOBS, {toy.NAME: toy.JOB for toy in (*TOYS, generator)}),
        (assets.BUILDERS, {name: build for toy in TOYS for name, build in toy.ASSETS.items()}),
    ]
    for table, entries in tables:
        table.update(entries)
    try:
        yield
    finally:
        for table, entries in tables:
            for name in entries:
                del table[name]


def recipe(name: str, tones: Path) -> ConfigDict:
    """Makes a recipe of the task, for a few steps."""
    config = get_config(str(tones))
    config.model = ConfigDict(MODELS[name])
    config.data.batch_size = config.data.eval_batch_size = 8
    config.augment.speed, config.augment.gain_db = (1.0,), (0.0, 0.0)
    config.optimizer.learning_rate = 1e-2
    config.optimizer.schedule = {"name": "constant"}
    config.average_decay = 0.0
    if name == "regression":
        config.values = {"field": "duration"}
    if name == "speaker":
        config = with_classes(config, field="speaker")
    if name == "attention":
        config = with_prompts(config)
        config.tokenizer.type, config.tokenizer.vocab_size = "bpe", 8
    if name == "contrastive":
        config.mixing = {"noise_share": 0.0}  # half of the rows, with other words
    if name == "enhancement":
        config.mixtures = {"generated": 1.0, "snr_db": (0.0, 6.0)}
    if name == "speech_lm":
        config = with_chat(config, prompts=("say", "repeat"))
        config.tokenizer.type, config.tokenizer.vocab_size = "bpe", 32
    if name == "speech":
        config.front_end = {"type": "letters", "normalizer": "none"}
    if name == "hybrid_text":
        texts = tones / "lines.txt"
        texts.write_text("a\nb c\nc a b\n")
        config.text = {"train": str(texts), "generator": str(generator.save_toy(tones / "toy.jaxspeech")), "share": 0.5}
    if name == "hybrid":
        # The vowel is a language and the consonants are the other one; half of what is shown switches between them.
        train, dev = (_with_languages(tones, part) for part in ("train", "dev"))
        config.data.train, config.data.eval.dev = (train,), dev
        config.prompt = {"languages": ("vowel", "consonant")}
        config.code_switched = {"min_seconds": 0.8, "max_seconds": 2.0, "min_monolingual": 0.5}
    if name == "language_model":
        config.data.max_tokens = 100
    config.steps = config.eval_every = 3
    config.checkpoint_every = config.log_every = 1
    return config


def _with_languages(tones: Path, part: str) -> str:
    """Writes the manifest with the language of each line, that of its first word."""
    lines = [json.loads(line) for line in (tones / f"{part}.jsonl").read_text().splitlines()]
    spoken = [line | {"lang": "vowel" if line["text"].startswith("a") else "consonant"} for line in lines]
    path = tones / f"{part}_languages.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in spoken))
    return str(path)


class Prepared(NamedTuple):
    """A task with its variables, a batch, and the results of its job."""

    task: Any
    assets: Any
    variables: Any
    batch: Any
    evaluation: Any
    model: dict[str, Any]

    def results(self, batch: Any, variables: Any = None) -> list[Any]:
        """The results that the evaluation collects from a batch's prediction."""
        predicted = jax.device_get(jax.jit(self.task.predict)(variables or self.variables, batch))
        return self.evaluation.collect(predicted, jax.device_get(batch))


def prepare(name: str, tones: Path, workdir: Path) -> Prepared:
    """Builds the task as a run does, with its first batch."""
    settings = recipe(name, tones).to_dict()
    job = jobs.find_job(settings["model"])
    model, owned, task, data = load(job, settings, workdir, Placement(), source=None, resuming=False)
    variables = jax.device_put(task_variables(task))
    batch = jax.device_put(next(data.train.batches()))
    return Prepared(task, owned, variables, batch, job.evaluation(settings, owned, task), model)


def spoiled(batch: Any) -> Any:
    """The same batch with invalid values in its padding, which no model can compute with."""
    fields = jax.device_get(batch)._asdict()
    counts = {name.removeprefix("num_"): count for name, count in fields.items() if name.startswith("num_")}
    if "answers" in fields:  # which of the ids are targets
        counts["answers"] = counts["ids"]
    if fields.get("noisy_samples") is not None:
        counts["noisy_samples"] = counts["samples"]
    if "targets" in fields and "num_targets" not in fields:  # as long as the samples
        counts["targets"] = counts["samples"]
    if "pitch" in fields:  # the text's, and the pitch of each frame of the samples
        counts["text"], hop = counts.pop("symbols"), fields["samples"].shape[1] // (fields["pitch"].shape[1] - 1)
        counts["pitch"] = counts["samples"] // hop + 1
    for name, count in counts.items():
        if name not in fields:  # the number of something else
            continue
        values = np.array(fields[name])
        # Waveforms have axes of channels before their length, everything else has axes after it.
        wave = values.ndim == 3 and name in ("samples", "targets")
        lengths = np.moveaxis(values, 1, 2) if wave else values
        of_each = np.asarray(count)[:, None]  # of each row, or of each of its channels
        beyond = np.arange(lengths.shape[1]).reshape(-1, *(1,) * (of_each.ndim - 2)) >= of_each
        lengths[beyond] = np.nan if values.dtype.kind == "f" else 10**6
        fields[name] = values
    return jax.device_put(type(batch)(**fields))


def losses_of(task: Any, variables: Any, batch: Any) -> list[Any]:
    """The losses [B] of each phase."""
    key = jax.random.key(7)
    return [jax.jit(phase.loss)(variables, batch, key)[0].losses for phase in task.phases]
