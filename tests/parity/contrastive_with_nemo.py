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
            found = {}
            for name, loss in model.decoder_losses.items():
                decoder = loss["decoder"]
                if getattr(decoder, "needs_labels", False):  # an RNN-T of codes, here of the first ones in order
                    decoder.joint.log_softmax = False
                    codes = torch.arange(8).expand(len(samples), 8)
                    found[name] = decoder(encoder_output=encoded, targets=codes, target_lengths=torch.tensor([8, 8]))
                else:
                    found[name] = decoder(encoder_output=encoded)
        np.savez(
            path.with_suffix(".outputs.npz"),
            encoded=encoded.numpy(),
            **{name: values.numpy() for name, values in found.items()},
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
