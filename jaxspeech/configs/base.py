"""Defines the values that recipes start from, and functions that recipes share."""

from ml_collections import ConfigDict
from ml_collections.config_dict import FieldReference

# Recipes may import these from here too.
from jaxspeech.configs.recognizers import CONFORMER as CONFORMER
from jaxspeech.configs.recognizers import FASTCONFORMER as FASTCONFORMER
from jaxspeech.configs.recognizers import FRONTEND as FRONTEND
from jaxspeech.configs.recognizers import TDT_DURATIONS as TDT_DURATIONS
from jaxspeech.configs.recognizers import TDT_LOSS as TDT_LOSS
from jaxspeech.configs.recognizers import attention as attention
from jaxspeech.configs.recognizers import cache_aware as cache_aware
from jaxspeech.configs.recognizers import ctc as ctc
from jaxspeech.configs.recognizers import fastconformer_ctc as fastconformer_ctc
from jaxspeech.configs.recognizers import fastconformer_transducer as fastconformer_transducer
from jaxspeech.configs.recognizers import hybrid as hybrid
from jaxspeech.configs.recognizers import transducer as transducer


def base_config() -> ConfigDict:
    """The defaults of everything that training reads, except the model and the manifests."""
    return ConfigDict(
        {
            "seed": 0,
            "steps": 100_000,
            "eval_every": 2_000,
            "checkpoint_every": 1_000,
            "log_every": 50,
            "keep": {"last": 2, "best": 1},  # checkpoints
            "choose": "best",  # the model that becomes model.jaxspeech: the best on the first set, or the "last"
            "max_skipped": 20,  # most updates in a row skipped for gradients that are not finite, before the run stops
            "histograms": False,  # write histograms of all parameters to TensorBoard at each evaluation
            "loss_reduction": "mean_batch",  # or mean_volume, mean, sum: see training/step.py
            "average_decay": 0.0,  # above 0, the moving average of the parameters is evaluated and saved
            # The number of devices on each axis, -1 for all that remain; how the state is split over them; the number
            # of parts in which a step processes a batch: see training/sharding.py and accumulation.py.
            "mesh": {"data": -1, "model": 1},
            "sharding": any_type("replicated"),  # or fsdp, tensor, fsdp_tensor, or a table of rules
            "accumulate": 1,
            # A trained model to start from: a .jaxspeech or .nemo file, or a name on the Hub; see docs/fine-tuning.md.
            "init_from": "",
            # `features` names the model whose encoder gives the features (features.name "encoder_layers").
            "init": {"include": (), "exclude": (), "tolerance": 0.002, "features": ""},
            "freeze": (),
            "train_only": (),
            "lora": {"rank": 0, "alpha": 16.0, "targets": (r"attention/(query|key|value|out)/kernel$",)},
            # The folder of the recipes' manifests.
            "data_dir": "data",
            # "char", "bpe" or "unigram", trained on the transcripts unless a path or an alphabet is given; or "model":
            # the tokenizer of init_from.
            "tokenizer": {"type": "bpe", "vocab_size": 1024, "path": "", "characters": ""},
            "data": {
                "prepare": "",
                # Above 1, small sources among several are shown more often; of nested groups, one for each level.
                "temperature": any_type(1.0),
                "min_seconds": 0.1,
                "max_seconds": 20.0,
                # Limits of the labels of an example, and of those of a second, also one for each bucket; 0: none.
                "min_tokens": 0,
                "max_tokens": 0,
                "min_tokens_per_second": any_type(0.0),
                "max_tokens_per_second": any_type(0.0),
                "keep": any_type(()),  # what fields of the lines must be: {"cer": (None, 0.1)}; see docs/data.md
                # How short utterances are joined, and long recordings without texts cut; 0: not at all.
                "join": {"seconds": 0.0, "gap": 0.1, "probability": 1.0},
                "windows": {"seconds": 0.0, "hop": 0.0},
                "buckets": any_type(8),  # the number of padded lengths of batches, or the lengths in seconds
                "batch_seconds": 320.0,  # padded audio in a batch; 0: the most that fits in memory, found by a dry run
                "batch_size": 64,
                # What an example costs of batch_seconds: x + x^2 / quadratic_seconds, where x is its length with
                # label_seconds for each label; and the number of padded label lengths of each length.
                "quadratic_seconds": 0.0,
                "label_seconds": 0.0,
                "label_buckets": 1,
                "eval_batch_size": 32,
                "channel": any_type("mean"),  # or the number of a channel, counted from 0
                "num_threads": 4,
                "seed": 0,
            },
            "augment": {
                "speed": (1.0,),
                "pad_seconds": 0.0,
                "pad_after_seconds": 0.0,
                "unpadded_share": 0.0,
                "crop_seconds": 0.0,
                "crop_to": (),
                "crop_from": "random",
                "gain_db": (0.0, 0.0),
                "equalize": {},
                "rir": {},
                "room": {},
                "noise": {},
                "white_noise": {},
                "clip": {},
                "band": {},
                "codec": {},
            },
            "optimizer": {
                "name": "adamw",
                "learning_rate": 1e-3,
                "beta1": 0.9,
                "beta2": 0.98,
                "weight_decay": 1e-3,
                "clip_norm": 1.0,
                "rates": (),  # (pattern, factor) pairs: factors of the learning rate for parameters with matching names
                "schedule": {"name": "cosine", "warmup_ratio": 0.1, "min_learning_rate": 1e-5},
            },
        }
    )


def any_type(value) -> FieldReference:
    """Make a field that accepts values of any type; other fields keep the type of their default."""
    return FieldReference(value, field_type=object)


def published(model: ConfigDict) -> ConfigDict:
    """Make a config for recipes with published sizes: your own manifests, and utterances up to 16.7 s."""
    config = base_config()
    config.model = model
    config.data.train = any_type("data/train.jsonl")  # or several, with weights: see docs/data.md
    config.data.eval = {"dev": "data/dev.jsonl"}
    config.data.max_seconds = 16.7
    config.augment.speed = (0.9, 1.0, 1.1)
    return config


def noam(config: ConfigDict, *, width: int, factor: float, weight_decay: float = 1e-3) -> None:
    """Set AdamW with Noam's schedule, whose rate is `factor` times powers of the width and the step."""
    config.optimizer.learning_rate = factor
    config.optimizer.weight_decay = weight_decay
    config.optimizer.clip_norm = 0.0
    config.optimizer.schedule = {"name": "noam", "width": width, "warmup_steps": 10_000, "min_learning_rate": 1e-6}


def with_classes(config: ConfigDict, *, field: str = "label") -> ConfigDict:
    """Add the settings of models that tell classes apart; `field` of the manifests names an example's class."""
    # names: of the classes, by default those in the training data; "model": those of init_from.
    # weights: of the classes in the loss; "balanced", or {name: weight}.
    config.classes = {"field": field, "names": any_type(()), "weights": any_type("none")}
    config.data.balance = 0.0  # up to 1, with which an epoch shows all classes equally often
    return config


def with_prompts(
    config: ConfigDict, *, format: str = "start", special: tuple[str, ...] = (), **defaults: str
) -> ConfigDict:
    """Add the settings of models with an attention decoder.

    Args:
      config: the recipe.
      format: of the prompts, one of `text.prompt_slots.FORMATS`.
      special: the special tokens of a new tokenizer, besides those of start and end.
      defaults: values of the prompt's slots for lines that do not have them.
    """
    config.prompt = {"format": format, "special": any_type(special), "defaults": any_type(defaults)}
    config.loss_reduction = "mean_volume"  # every token counts the same, as in NeMo
    return config


def with_chat(
    config: ConfigDict,
    *,
    template: str = "qwen",
    prompts: tuple[str, ...] = ("Transcribe the following: <audio>",),
    score: str = "wer",
) -> ConfigDict:
    """Add the settings of speech language models.

    Args:
      config: the recipe.
      template: the form of conversations, one of `text.chat_templates.TEMPLATES`.
      prompts: what a user says about a recording whose line has no "context"; each training example draws one.
      score: of answers whose lines have no "score": "wer", "bleu", or "answer", right or wrong.
    """
    # locator: stands for a recording in texts, as "<audio>" does; audio_id: its id in NeMo's tokenizer; system: the
    # text of a turn before every conversation.
    chat = {"template": template, "locator": "<|audioplaceholder|>", "audio_id": any_type(None), "system": ""}
    config.chat = chat
    config.asked = {"prompts": any_type(prompts), "score": score}
    # The models whose parts a new one takes: a recogniser, and the folder of a language model.
    config.parts = {"encoder": "", "decoder": ""}
    config.loss_reduction = "mean_volume"  # every token of an answer counts the same
    return config


def with_language_prompt(config: ConfigDict, **fields: object) -> ConfigDict:
    """Add a prompt of the language to a recogniser with a CTC head, a transducer or both.

    Args:
      config: the recipe.
      fields: of `decoders.language_prompt.LanguagePrompt`: mode, auto_share, num_prompts.
    """
    config.model.language_prompt = {"num_prompts": 0, "mode": "unified", "auto_share": 0.5} | fields
    # Names, or names with the number of each prompt; by default those of the training data, and "auto".
    config.prompt = {"languages": any_type(())}
    return config


def pick(sizes: dict, size: str, *, recipe: str) -> dict:
    """Select the fields of a size.

    Raises:
      ValueError: there is no such size; lists the sizes.
    """
    if size not in sizes:
        raise ValueError(f"configs/{recipe}.py:{size}: the sizes are {', '.join(sizes)}")
    return sizes[size]
