"""Builds NeMo's recipes with NeMo, at their own size and small; this script runs in NeMo's interpreter.

    NEMO_PYTHON build_recipes.py FOLDER OUTPUT

FOLDER holds recipes (FAMILY/NAME.yaml with a section `model`, as in NeMo's examples/asr/conf) or configurations of
models (as in a .nemo file). Each gets OUTPUT/FAMILY.NAME.json, {"parameters": of the model in its own size, "config":
its resolved configuration}, and OUTPUT/FAMILY.NAME.nemo, a small model of two layers with random weights. One that NeMo
cannot build gets {"failed": reason}. Tokenizers have 1024 pieces, made here. With the environment variable NEMO_2, the
folder of an unpacked wheel of nemo_toolkit 2.2, Squeezeformers are built too.
"""

import json
import logging
import os
import random
import sys
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from nemo.collections.asr import models
from nemo.utils import logging as nemo_logging
from nemo_models import LABELS, add_squeezeformer, balance, randomize
from omegaconf import OmegaConf

DATA = ("train_ds", "validation_ds", "test_ds", "optim")
# NeMo reads it from a file when it transcribes.
VALIDATION = {"manifest_filepath": None, "use_start_end_token": False}
# The class of recipes whose sections do not show it, by the beginning of the name.
CLASSES = {
    "ssl.nest.multi_layer_feat": "EncDecSpeakerLabelModel",
    "ssl.nest": "EncDecDenoiseMaskedTokenPredModel",
    "ssl": "SpeechEncDecSelfSupervisedModel",
    "speech_multitask": "EncDecMultiTaskModel",
    "speech_translation": "EncDecTransfModelBPE",
    "lang_id": "EncDecSpeakerLabelModel",
    "marblenet": "EncDecClassificationModel",
    "matchboxnet": "EncDecClassificationModel",
}


def train_tokenizer(folder: Path) -> None:
    """Makes a tokenizer of 1024 pieces from random words."""
    rng = random.Random(0)
    words = ("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 7))) for _ in range(8000))
    lines = [" ".join(words_of_line) for words_of_line in zip(*[words] * 8, strict=True)]
    prefix = str(folder / "tokenizer")
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_prefix=prefix, vocab_size=1024)
    pieces = (folder / "tokenizer.vocab").read_text().splitlines()
    (folder / "vocab.txt").write_text("".join(f"{line.split(chr(9))[0]}\n" for line in pieces))


def class_of(name: str, model: dict[str, Any]) -> str:
    """Returns the name of the class that trains this recipe."""
    if "target" in model:
        return model["target"].rpartition(".")[2]
    for beginning, kind in CLASSES.items():
        if name.startswith(beginning):
            return kind
    kind = "HybridRNNTCTC" if "aux_ctc" in model else "RNNT" if "joint" in model else "CTC"
    pieces = "tokenizer" in model
    return f"EncDec{kind}Model{'BPE' if pieces else ''}" if kind == "CTC" else f"EncDec{kind}{'BPE' * pieces}Model"


def completed(model: dict[str, Any], tokenizer: Path) -> dict[str, Any]:
    """Leaves out the data; fills in tokenizers and characters, which a recipe leaves to its user."""
    model = {key: value for key, value in model.items() if key not in DATA}
    if "tokenizer" in model:
        section = model["tokenizer"]
        for part in section.get("langs", {"": section}).values():
            part |= {"dir": str(tokenizer), "type": "bpe"}
    elif isinstance(model.get("labels"), str):
        model["labels"] = LABELS
        model["decoder"]["vocabulary"] = LABELS
    return model


def shrunk(model: dict[str, Any]) -> dict[str, Any]:
    """Reduces the layers to two (of a convolutional encoder, to six blocks with fewer repetitions) and the widths."""
    model = json.loads(json.dumps(model))
    encoder, decoder = model["encoder"], model["decoder"]
    defaults = model.setdefault("model_defaults", {})
    if "jasper" in encoder:
        if len(encoder["jasper"]) > 6:
            encoder["jasper"] = encoder["jasper"][:3] + encoder["jasper"][-3:]
        for block in encoder["jasper"]:
            block |= {"filters": block["filters"] // 16, "repeat": min(block["repeat"], 2)}
        width = encoder["jasper"][-1]["filters"]
    else:
        width = 8 * encoder.get("n_heads", 3)
        encoder |= {"n_layers": 2, "d_model": width}
        if encoder.get("subsampling_conv_channels", -1) > 0:
            encoder["subsampling_conv_channels"] = 16
        if encoder.get("proj_size", -1) > 0:
            width = encoder["proj_size"] = 16
    if "feat_in" in decoder:
        decoder["feat_in"] = width
    if "joint" in model:
        decoder["prednet"]["pred_hidden"] = model["joint"]["jointnet"]["joint_hidden"] = 20
        if decoder["prednet"].get("rnn_hidden_size", -1) > 0:
            decoder["prednet"]["rnn_hidden_size"] = 24
            model["decoding"]["strategy"] = "greedy"  # NeMo's others cannot run cells that are wider than their output
        defaults |= {"pred_hidden": 20, "joint_hidden": 20}
    return model | {"model_defaults": defaults | {"enc_hidden": width}}


def build(name: str, content: Any, output: Path) -> dict[str, Any]:
    """Builds a recipe in both sizes; returns what NAME.json holds."""
    OmegaConf.resolve(content)
    plain = OmegaConf.to_container(content)
    config = completed(plain.get("model", plain), output / "tokenizer")
    target = getattr(models, class_of(name, config), None)
    if target is None:
        return {"failed": f"it has no class {class_of(name, config)}"}
    torch.manual_seed(5)
    model = target(OmegaConf.create(config))
    parameters = sum(weight.numel() for weight in model.parameters())
    # As in a file that it saves.
    saved = OmegaConf.to_container(model.cfg, resolve=True) | {"target": f"{target.__module__}.{target.__qualname__}"}
    if target.__name__ in CLASSES.values():
        return {"parameters": parameters, "config": saved}
    model = target(OmegaConf.create(shrunk(config))).eval()
    randomize(model)
    if hasattr(model, "joint"):
        balance(model, torch.randn(1, model.cfg.preprocessor.features, 128))
    OmegaConf.update(model.cfg, "validation_ds", VALIDATION, force_add=True)
    model.save_to(str(output / f"{name}.nemo"))
    return {"parameters": parameters, "config": saved}


def main(folder: Path, output: Path) -> None:
    nemo_logging.setLevel(logging.ERROR)
    (output / "tokenizer").mkdir()
    train_tokenizer(output / "tokenizer")
    if "NEMO_2" in os.environ:
        add_squeezeformer()
    for path in sorted(folder.rglob("*.yaml")):
        content = OmegaConf.load(path)
        if "encoder" not in content.get("model", content):
            continue  # not a model of its own: fine-tuning, post-processing, the settings of a cluster
        name = ".".join(path.relative_to(folder).with_suffix("").parts)
        try:
            found = build(name, content, output)
        except Exception as error:  # the table shows it, and the other recipes are built
            found = {"failed": f"{type(error).__name__}: {error}"}
        (output / f"{name}.json").write_text(json.dumps(found))
        print(name, found.get("parameters", found.get("failed")), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
