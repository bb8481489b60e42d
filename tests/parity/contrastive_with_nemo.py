"""Restores .nemo files of contrastive models with NeMo and runs them; this script runs in NeMo's interpreter.

    NEMO_PYTHON contrastive_with_nemo.py FOLDER

For each NAME.nemo in the folder it reads inputs.npz (samples [B S], num_samples), and writes NAME.outputs.npz with the
encoder's output without masks, and that of the decoder of each loss, by its name.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from nemo.collections.asr.models import SpeechEncDecSelfSupervisedModel


def main(folder: Path) -> None:
    for path in sorted(folder.glob("*.nemo")):
        model = SpeechEncDecSelfSupervisedModel.restore_from(str(path), map_location="cpu", strict=True).eval()
        model.apply_masking = False
        model.preprocessor.featurizer.dither = 0.0
        with np.load(folder / "inputs.npz") as inputs, torch.inference_mode():
            samples, lengths = torch.tensor(inputs["samples"]), torch.tensor(inputs["num_samples"])
            _, _, encoded, _ = model(input_signal=samples, input_signal_length=lengths)
            found = {name: loss["decoder"](encoder_output=encoded) for name, loss in model.decoder_losses.items()}
        np.savez(
            path.with_suffix(".outputs.npz"),
            encoded=encoded.numpy(),
            **{name: values.numpy() for name, values in found.items()},
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
