"""Makes references/train_spk_float64.npz: twenty steps of a speaker model in NeMo, in float64.

    NEMO_PYTHON tests/parity/make_speaker_steps.py FOLDER

FOLDER holds NeMo's reference files, of which train_spk.nemo has the first weights, and the optimizer is the one of
train_spk.json. The features are drawn here: the rounding errors of features that are computed from audio in float32
(1e-4 in a few coefficients) alone change the loss of NeMo's later steps by 2 %.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from nemo.collections.asr.models import EncDecSpeakerLabelModel
from speaker_steps import drawn_features, some

OUT = Path(__file__).parent / "references" / "train_spk_float64.npz"


def main(folder: Path) -> None:
    with np.load(folder / "train_spk.npz") as file:
        nemo = {key: file[key] for key in file.files}
    model = EncDecSpeakerLabelModel.restore_from(str(folder / "train_spk.nemo"), map_location="cpu").double().train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, weight_decay=2e-4)
    losses, norms = [], []
    for i, rate in zip(nemo["batch_index"], nemo["f64.lr"], strict=True):
        optimizer.param_groups[0]["lr"] = float(rate)
        features, counts = drawn_features(int(i))
        encoded, lengths = model.encoder(
            audio_signal=torch.tensor(features).transpose(1, 2), length=torch.tensor(counts)
        )
        logits, _ = model.decoder(encoder_output=encoded, length=lengths)
        loss = model.loss(logits=logits, labels=torch.tensor(nemo[f"batch{i}.labels"]))
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)))
        optimizer.step()
        losses.append(loss.item())
    arrays = {f"param.{name}": some(p.detach().numpy()) for name, p in model.named_parameters() if p.grad is not None}
    np.savez_compressed(OUT, loss=losses, grad_norm=norms, **arrays)
    print(f"{OUT}: {OUT.stat().st_size} bytes, loss {losses[0]:.3f} to {losses[-1]:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
