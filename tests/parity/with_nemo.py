"""Restores .nemo files with NeMo and writes their outputs; this script runs in NeMo's interpreter.

    NEMO_PYTHON with_nemo.py FOLDER

For each NAME.nemo in the folder it reads NAME.inputs.npz (samples [B S], num_samples, labels [B U], num_labels). It
writes NAME.outputs.npz with the features, the encoder's output, the CTC head's log-probabilities and the joint's
logits, whichever the model has; and NAME.json with the ids and texts of NeMo's greedy search of each row, and the texts
of its `transcribe` from audio files. For a model that cannot be restored NAME.json is {"failed": reason}.

Where a row's result in NeMo depends on the other rows, each row is computed alone: in the search with big blanks, and
in the bidirectional LSTM, whose backward direction starts at the end of the tensor (alone: one frame after the last).
"""

import json
import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from nemo.collections.asr.models import ASRModel
from nemo.collections.asr.modules import LSTMDecoder, RNNEncoder
from nemo.utils import logging as nemo_logging


def outputs_of(model, inputs) -> tuple[dict[str, torch.Tensor], list]:
    """Returns arrays by name, batch first, and the hypotheses of the greedy search."""
    samples, num_samples = torch.tensor(inputs["samples"]), torch.tensor(inputs["num_samples"]).long()
    labels, num_labels = torch.tensor(inputs["labels"]).long(), torch.tensor(inputs["num_labels"]).long()
    features, num_features = model.preprocessor(input_signal=samples, length=num_samples)
    encoded, num_frames = (encode_alone if reads_padding(model) else encode)(model, features, num_features)
    found = {"features": features.mT, "num_features": num_features, "encoded": encoded.mT, "num_frames": num_frames}
    if hasattr(model, "joint"):
        model.joint.log_softmax = False
        predicted, _, _ = model.decoder(targets=labels, target_length=num_labels)
        found["joint"] = model.joint.joint(encoded.mT, predicted.mT)
        if hasattr(model, "ctc_decoder"):
            found["log_probs"] = model.ctc_decoder(encoder_output=encoded)
        model.joint.log_softmax = None
        search, searched = model.decoding.rnnt_decoder_predictions_tensor, encoded
    else:
        found["log_probs"] = head_alone(model, encoded, num_frames)
        search, searched = model.decoding.ctc_decoder_predictions_tensor, found["log_probs"]
    rows = [slice(i, i + 1) for i in range(len(samples))]
    return found, [search(searched[row], num_frames[row], return_hypotheses=True)[0] for row in rows]


def head_alone(model, encoded: torch.Tensor, num_frames: torch.Tensor) -> torch.Tensor:
    """Returns the CTC head's log-probabilities; of a backward LSTM row by row, without padding."""
    if not has_backward_head(model):
        return model.decoder(encoder_output=encoded)
    rows = [model.decoder(encoder_output=x[None, :, :n]) for x, n in zip(encoded, num_frames, strict=True)]
    return torch.cat([torch.nn.functional.pad(x, (0, 0, 0, encoded.shape[-1] - x.shape[1])) for x in rows])


def has_backward_head(model) -> bool:
    """Returns whether the head has an LSTM that starts in the padding after an utterance."""
    return isinstance(model.decoder, LSTMDecoder) and model.cfg.decoder.get("bidirectional", False)


def reads_padding(model) -> bool:
    """Returns whether the padding after an utterance affects its encoder frames."""
    return isinstance(model.encoder, RNNEncoder) and model.cfg.encoder.bidirectional


def encode(model, features: torch.Tensor, num_features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the encoder's output [B D T] and its lengths."""
    return model.encoder(audio_signal=features, length=num_features)


def encode_alone(model, features: torch.Tensor, num_features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the same, computed row by row with the one frame of padding that a recording alone has."""
    rows = [encode(model, x[None, :, : n + 1], n[None]) for x, n in zip(features, num_features, strict=True)]
    length = max(encoded.shape[-1] for encoded, _ in rows)
    encoded = [torch.nn.functional.pad(encoded, (0, length - encoded.shape[-1])) for encoded, _ in rows]
    return torch.cat(encoded), torch.cat([num_frames for _, num_frames in rows])


def transcripts_of(model, inputs) -> list[str]:
    """Returns the texts of `transcribe` for each row, from audio files."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{i}.wav" for i in range(len(inputs["samples"]))]
        for path, row, n in zip(paths, inputs["samples"], inputs["num_samples"], strict=True):
            soundfile.write(path, row[:n], model.cfg.preprocessor.sample_rate, subtype="FLOAT")
        alone = model.cfg.decoding.get("big_blank_durations") or reads_padding(model)
        batch_size = 1 if alone else len(paths)
        return [hypothesis.text for hypothesis in model.transcribe(paths, batch_size=batch_size, verbose=False)]


def restored(path: Path) -> dict:
    """Runs the model at `path`; returns its ids and texts, and writes its arrays next to it."""
    with np.load(path.with_suffix(".inputs.npz")) as file:
        inputs = dict(file)
    try:
        model = ASRModel.restore_from(str(path), map_location="cpu", strict=True).eval()
        found, hypotheses = outputs_of(model, inputs)
        best = [hypothesis[0] if isinstance(hypothesis, list) else hypothesis for hypothesis in hypotheses]
        texts = [hypothesis.text for hypothesis in best]
        # A model of several languages needs the language of each recording in `transcribe`.
        several = getattr(model, "tokenizer_type", "") == "agg"
        # With an LSTM that starts in the padding, those of `transcribe` depend on the frame of padding that it adds.
        transcripts = texts if several or has_backward_head(model) else transcripts_of(model, inputs)
    except Exception as error:  # the test reports it, together with those of other models
        return {"failed": f"{type(error).__name__}: {error}"}
    np.savez(path.with_suffix(".outputs.npz"), **{name: array.numpy() for name, array in found.items()})
    ids = [[int(i) for i in hypothesis.y_sequence] for hypothesis in best]
    return {"ids": ids, "texts": texts, "transcripts": transcripts}


def main(folder: Path) -> None:
    nemo_logging.setLevel(logging.ERROR)
    with torch.inference_mode():
        for path in sorted(folder.glob("*.nemo")):
            path.with_suffix(".json").write_text(json.dumps(restored(path)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
