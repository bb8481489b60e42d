"""Run by the peer's interpreter, alone of all files here: restores .nemo files and says what they compute.

    PEER_PYTHON with_peer.py FOLDER

For each NAME.nemo in the folder with its NAME.inputs.npz (samples [B S], num_samples, labels [B U], num_labels):
NAME.outputs.npz, with the features, the encoder's output, the CTC head's log-probabilities and the joint's logits, of
those that it has; and NAME.json, with the ids and texts of the peer's own greedy search and of its `transcribe` over
the audio, written as files. Both go row by row, because a row of a batch may depend on the others (big blanks). A model
that cannot be restored has {"failed": why}.
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
from nemo.utils import logging as nemo_logging


def outputs_of(model, inputs) -> tuple[dict[str, torch.Tensor], list]:
    """Arrays by name, batch first, and the hypotheses of the greedy search."""
    samples, num_samples = torch.tensor(inputs["samples"]), torch.tensor(inputs["num_samples"]).long()
    labels, num_labels = torch.tensor(inputs["labels"]).long(), torch.tensor(inputs["num_labels"]).long()
    features, num_features = model.preprocessor(input_signal=samples, length=num_samples)
    encoded, num_frames = model.encoder(audio_signal=features, length=num_features)
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
        found["log_probs"] = model.decoder(encoder_output=encoded)
        search, searched = model.decoding.ctc_decoder_predictions_tensor, found["log_probs"]
    rows = [slice(i, i + 1) for i in range(len(samples))]
    return found, [search(searched[row], num_frames[row], return_hypotheses=True)[0] for row in rows]


def transcripts_of(model, inputs) -> list[str]:
    """What `transcribe` says of each row, from files."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{i}.wav" for i in range(len(inputs["samples"]))]
        for path, row, n in zip(paths, inputs["samples"], inputs["num_samples"], strict=True):
            soundfile.write(path, row[:n], model.cfg.sample_rate, subtype="FLOAT")
        return [hypothesis.text for hypothesis in model.transcribe(paths, batch_size=1, verbose=False)]


def restored(path: Path) -> dict:
    """What the file at `path` says; its arrays are written beside it."""
    with np.load(path.with_suffix(".inputs.npz")) as file:
        inputs = dict(file)
    try:
        model = ASRModel.restore_from(str(path), map_location="cpu", strict=True).eval()
        found, hypotheses = outputs_of(model, inputs)
        best = [hypothesis[0] if isinstance(hypothesis, list) else hypothesis for hypothesis in hypotheses]
        texts = [hypothesis.text for hypothesis in best]
        # With several languages `transcribe` wants to be told each recording's.
        several = getattr(model, "tokenizer_type", "") == "agg"
        transcripts = texts if several else transcripts_of(model, inputs)
    except Exception as error:  # told by the test, together with the other models
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
