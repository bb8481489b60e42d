"""Writes a folder of ONNX models: of a recogniser as onnx-asr and sherpa-onnx load it, or of another kind of model."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import onnx

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.forms.inference import for_inference
from jaxspeech.interop.onnx.contents import Contents, other_features
from jaxspeech.interop.onnx.models import ctc_models, transducer_models
from jaxspeech.interop.onnx.voices import frame_contents, speaker_contents
from jaxspeech.tasks.ctc import CTCModel
from jaxspeech.tasks.frame_classification import FrameClassifier
from jaxspeech.tasks.hybrid import HybridModel
from jaxspeech.tasks.speaker import SpeakerModel
from jaxspeech.tasks.transducer import TransducerModel
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables

# The recognisers that the runtimes support, and the head that is exported: "ctc" or "transducer".
HEADS: dict[type, Callable[[Any], str]] = {
    CTCModel: lambda model: "ctc",
    TransducerModel: lambda model: "transducer",
    HybridModel: lambda model: model.search.head,
}

# Other models: (module, assets) -> what their folder holds.
OTHERS: dict[type, Callable[[Any, Assets], Contents]] = {
    FrameClassifier: frame_contents,
    SpeakerModel: speaker_contents,
}
WORD_MARK = "\u2581"
# A protocol buffer is limited to 2 GiB; a larger model has its weights in a second file.
LARGEST_BYTES = 2**31 - 2**24


def write_folder(archive: Archive, folder: str | os.PathLike[str], *, own_features: bool) -> None:
    """Writes the folder; see `export_onnx`."""
    folder = Path(folder)
    config, variables = for_inference(archive.model, archive.variables, dtype="float32")
    variables = jax.tree.map(lambda x: np.asarray(x, np.float32), variables)
    model: Any = build(config).model
    if type(model) in OTHERS:
        contents = OTHERS[type(model)](model, archive.assets)
    elif type(model) in HEADS:
        contents = _recognition(model, archive.assets)
    else:
        able = "only recognition, frame classification and speaker models can"
        raise ConfigError(f"a model of the task {config['task']!r} cannot be exported to ONNX: {able}")
    problems = [*contents.problems, *(() if own_features else contents.other_features)]
    if problems:
        raise ConfigError(f"this model cannot be exported to ONNX: {'; '.join(problems)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArchiveError(f"{folder}: exists already; name a new folder, or remove it first")

    models = contents.models(variables)
    texts = contents.texts()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            whole = Path(temporary, folder.name)
            whole.mkdir()
            for name, proto in models.items():
                _save(proto, whole / name)
            for name, text in texts.items():
                (whole / name).write_text(text, encoding="utf-8")
            os.replace(whole, folder)
    except OSError as error:
        raise ArchiveError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _recognition(model: Any, assets: Assets) -> Contents:
    """What both runtimes load: the models, the vocabulary, and the settings that each reads."""
    by_ctc = HEADS[type(model)](model) == "ctc"

    def models(variables: Variables) -> dict[str, onnx.ModelProto]:
        return (ctc_models if by_ctc else transducer_models)(model, variables, _metadata(model, by_ctc=by_ctc))

    def texts() -> dict[str, str]:
        vocabulary = _vocabulary(assets["tokenizer"])
        return {"vocab.txt": vocabulary, "tokens.txt": vocabulary, "config.json": _config(model, by_ctc=by_ctc)}

    problems = [] if by_ctc else _unsupported_by_runtimes(model.decoder)
    if model.language_prompt is not None:
        problems.append("the runtimes cannot ask for a language, which its heads see")
    return Contents(models, texts, problems, other_features(model.frontend))


def _unsupported_by_runtimes(decoder: Any) -> list[str]:
    """Lists what the runtimes cannot run in a transducer's decoder."""
    problems = []
    if decoder.prediction != "lstm":
        problems.append(f"the runtimes only run an LSTM, but its prediction network is {decoder.prediction}")
    if decoder.big_blanks:
        problems.append("the runtimes have no multi-blank search")
    if decoder.durations and decoder.durations != tuple(range(len(decoder.durations))):
        problems.append(f"the runtimes assume TDT durations 0, 1, 2, ..., but its are {decoder.durations}")
    return problems


def _kind(model: Any, *, by_ctc: bool) -> str:
    """The name of the kind of model in onnx-asr."""
    return f"nemo-conformer-{'ctc' if by_ctc else 'tdt' if model.decoder.durations else 'rnnt'}"


def _metadata(model: Any, *, by_ctc: bool) -> dict[str, Any]:
    """The metadata that sherpa-onnx reads from the first model."""
    metadata = {
        "vocab_size": model.decoder.vocab_size,
        "subsampling_factor": model.encoder.total_factor,
        "normalize_type": "per_feature",
        "feat_dim": model.frontend.num_features,
        "model_type": "EncDecCTCModelBPE" if by_ctc else "EncDecRNNTBPEModel",
        "model_author": "NeMo",
        "version": 1,
        "url": _kind(model, by_ctc=by_ctc),  # it treats a model as a TDT if this contains "tdt"
    }
    if not by_ctc:
        metadata |= {"pred_rnn_layers": model.decoder.num_layers, "pred_hidden": model.decoder.width}
    return metadata


def _config(model: Any, *, by_ctc: bool) -> str:
    """The content of config.json, which onnx-asr reads."""
    config = {
        "model_type": _kind(model, by_ctc=by_ctc),
        "features_size": model.frontend.num_features,
        "subsampling_factor": model.encoder.total_factor,
    }
    if not by_ctc:
        config["max_tokens_per_step"] = model.search.max_symbols
    return json.dumps(config, indent=1)


def _vocabulary(tokenizer: Tokenizer) -> str:
    """A line for each token, and the blank; both runtimes split the columns at the space."""
    pieces = [piece.replace(" ", WORD_MARK) for piece in tokenizer.pieces]
    unusable = [piece for piece in pieces if not piece or piece.split() != [piece] or piece == "<blk>"]
    if unusable:
        raise ConfigError(f"this model cannot be exported to ONNX: vocab.txt cannot hold the token {unusable[0]!r}")
    return "".join(f"{piece} {i}\n" for i, piece in enumerate([*pieces, "<blk>"]))


def _save(proto: onnx.ModelProto, path: Path) -> None:
    size = sum(len(weight.raw_data) for weight in proto.graph.initializer)
    beside = {"save_as_external_data": True, "location": f"{path.name}.data"} if size > LARGEST_BYTES else {}
    onnx.save_model(proto, path, **beside)
