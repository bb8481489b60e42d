"""Makes tests/parity/references: small NeMo models with random weights, and NeMo's outputs for them.

    NEMO_PYTHON tests/parity/make_references.py [FAMILY ...]

It needs NeMo 3, which no longer has the Squeezeformer: the environment variable NEMO_2 is the folder of an unpacked
wheel of nemo_toolkit 2.2, of which three files are used. Each utterance is encoded alone, without padding, so that
nothing depends on NeMo's treatment of padding; arrays hold NaN after the end of an utterance. A bidirectional LSTM also
gets the frame of zeros that NeMo's frontend adds to a recording alone, because its backward direction starts there. The
keys are those of the other reference files: features, layers, encoder output, log-probabilities or joint, losses,
gradient norms, text.
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import torch
from nemo_models import ENCODERS, LABELS, add_squeezeformer, balance, build

FOLDER = Path(__file__).parent / "references"
TEXTS = ("a small test", "of it")
NUM_SAMPLES = (64 * 160, 44 * 160)  # their numbers of frames are multiples of every subsampling factor


def audio() -> np.ndarray:
    """Generates two waveforms of tones in noise, coarsely quantised so that they compress well."""
    rng = np.random.default_rng(3)
    time = np.arange(max(NUM_SAMPLES)) / 16000
    waves = np.zeros((len(NUM_SAMPLES), max(NUM_SAMPLES)), np.float32)
    for row, count in enumerate(NUM_SAMPLES):
        pitches = np.repeat(rng.uniform(150, 3000, 8), -(-count // 8))[:count]
        wave = 0.2 * np.sin(2 * np.pi * pitches * time[:count]) + 0.005 * rng.standard_normal(count)
        waves[row, :count] = np.round(wave * 1024) / 1024
    return waves


def recorded(model) -> dict[str, list]:
    """Records the outputs of the subsampling, the positions and the layers in each future call."""
    outputs: dict[str, list] = {}

    def record(key: str, module) -> None:
        def hook(_, inputs, output) -> None:
            output = output if isinstance(output, tuple) else (output,)
            parts = [x for part in output for x in (part if isinstance(part, list) else [part])]
            outputs.setdefault(key, []).append([x for x in parts if torch.is_tensor(x)])

        module.register_forward_hook(hook)

    encoder = model.encoder
    if hasattr(encoder, "encoder"):  # convolutional: a sequence of blocks
        for i, block in enumerate(encoder.encoder):
            record(f"block{i}", block)
        return outputs
    record("pre_encode", encoder.pre_encode)
    if getattr(encoder, "pos_enc", None) is not None:
        record("pos_enc", encoder.pos_enc)
    layers = encoder.layers
    if type(encoder).__name__ == "RNNEncoder":
        layers = layers[2::3]  # its LSTM, norm and dropout are one layer of ours
    for i, layer in enumerate(layers):
        record(f"layer{i}", layer)
    return outputs


def stacked(rows: list[torch.Tensor]) -> np.ndarray:
    """Stacks rows of different lengths, padded with NaN and with one extra frame, as the features have."""
    longest = 1 + max(len(row) for row in rows)
    whole = np.full((len(rows), longest, *rows[0].shape[1:]), np.nan, np.float32)
    for row, values in enumerate(rows):
        whole[row, : len(values)] = values.detach().numpy()
    return whole


def make(name: str) -> None:
    model = build(name)
    samples = audio()
    counts = torch.tensor(NUM_SAMPLES)
    targets = [[LABELS.index(c) for c in text] for text in TEXTS]
    padded = np.zeros((2, max(map(len, targets))), np.int64)
    for row, ids in enumerate(targets):
        padded[row, : len(ids)] = ids
    with torch.no_grad():
        features, lengths = model.preprocessor(input_signal=torch.from_numpy(samples), length=counts)
    arrays = {"audio": samples, "audio_len": counts.numpy(), "feats": features.numpy(), "feats_len": lengths.numpy()}
    arrays |= {"targets": padded, "target_len": np.array(list(map(len, targets)))}
    if name.endswith("rnnt"):
        balance(model, features)
    outputs = recorded(model)

    encoded, heads, losses = [], [], []
    for row, ids in enumerate(targets):
        extra = int(getattr(model.cfg.encoder, "bidirectional", False))
        one = features[row : row + 1, :, : lengths[row] + extra]
        x, n = model.encoder(audio_signal=one, length=lengths[row : row + 1])
        x = x[..., : n[0]]
        encoded.append(x[0].T)
        labels, num_labels = torch.tensor([ids]), torch.tensor([len(ids)])
        if name.endswith("rnnt"):
            predicted, _, _ = model.decoder(targets=labels, target_length=num_labels)
            model.joint.log_softmax = False
            logits = model.joint.joint(x.transpose(1, 2), predicted.transpose(1, 2))
            model.joint.log_softmax = None  # the default, with which it decodes on a CPU
            log_probs = logits.log_softmax(-1)
            heads.append(logits[0])
            losses.append(rnnt_loss(log_probs[0], ids))
        else:
            log_probs = model.decoder(encoder_output=x)
            heads.append(log_probs[0])
            losses.append(
                torch.nn.functional.ctc_loss(
                    log_probs.transpose(0, 1), labels, n, num_labels, blank=len(LABELS), reduction="none"
                )[0]
            )
    loss = torch.stack(losses).mean()
    if loss.requires_grad:
        loss.backward()
    gradients = {
        key: p.grad for key, p in model.named_parameters() if p.grad is not None and not key.endswith(".weights")
    }

    num_frames = np.array([len(row) for row in encoded])
    arrays |= {"enc_out": stacked(encoded).transpose(0, 2, 1), "enc_out_len": num_frames}
    for key, calls in outputs.items():
        if key.startswith("block"):
            arrays[f"enc.{key}.0"] = stacked([call[0][0].T for call in calls]).transpose(0, 2, 1)
            arrays[f"enc.{key}.1"] = np.array([int(call[1][0]) for call in calls])
            continue
        arrays[f"enc.{key}.0" if key in ("pre_encode", "pos_enc") else f"enc.{key}"] = stacked(
            [call[0][0, :n] for call, n in zip(calls, num_frames, strict=True)]
        )
    if "enc.pre_encode.0" in arrays:
        arrays["enc.pre_encode.1"] = num_frames
        arrays.setdefault("enc.pos_enc.0", arrays["enc.pre_encode.0"])
    arrays |= {"grad_names": np.array(list(gradients)), "grad_loss": loss.detach().numpy()}
    arrays["grad_norms"] = np.array([g.norm() for g in gradients.values()], np.float32)
    per_utterance = np.array([x.item() for x in losses], np.float32)
    notes = {"blank_id": len(LABELS)}
    with torch.no_grad():
        if name.endswith("rnnt"):
            arrays |= {"joint_raw": joint(heads), "loss_pytorch": per_utterance}
            notes["rnnt_greedy_batch"] = [
                decoded(
                    model.decoding.rnnt_decoder_predictions_tensor(
                        x.T[None], torch.tensor([len(x)]), return_hypotheses=True
                    )
                )
                for x in encoded
            ]
        else:
            arrays |= {"log_probs": stacked(heads), "ctc_loss_per_utt": per_utterance, "ctc_loss": per_utterance.mean()}
            best = [np.argmax(x.detach().numpy(), -1) for x in heads]
            arrays["greedy_argmax"] = np.stack([np.pad(b, (0, max(num_frames) - len(b))) for b in best])
            notes["ctc_reduction"] = "mean_batch"
            notes["ctc_greedy_batch"] = [
                decoded(
                    model.decoding.ctc_decoder_predictions_tensor(
                        x[None], torch.tensor([len(x)]), return_hypotheses=True
                    )
                )
                for x in heads
            ]
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{name}.nemo"
    model.save_to(str(file))
    file.write_bytes(gzip.compress(file.read_bytes(), mtime=0))  # compressed, as older versions of NeMo wrote them
    np.savez_compressed(FOLDER / f"{name}.npz", **arrays)
    (FOLDER / f"{name}.json").write_text(json.dumps(notes, indent=1) + "\n")


def decoded(hypotheses) -> dict:
    (hypothesis,) = hypotheses
    return {"text": hypothesis.text, "score": float(hypothesis.score)}


def joint(rows: list[torch.Tensor]) -> np.ndarray:
    """Stacks arrays [T, U + 1, W] of different sizes, padded with NaN."""
    frames, labels, outputs = (max(row.shape[i] for row in rows) for i in range(3))
    whole = np.full((len(rows), frames + 1, labels, outputs), np.nan, np.float32)
    for row, values in enumerate(rows):
        whole[row, : values.shape[0], : values.shape[1]] = values.detach().numpy()
    return whole


def rnnt_loss(log_probs: torch.Tensor, labels: list[int]) -> torch.Tensor:
    """Computes the negative log-likelihood of the labels over [T, U + 1, V + 1], the blank last, node by node."""
    frames = log_probs.shape[0]
    alpha: dict[tuple[int, int], torch.Tensor] = {(0, 0): torch.zeros(())}
    for t in range(frames):
        for u in range(len(labels) + 1):
            ways = [alpha[t - 1, u] + log_probs[t - 1, u, -1]] if t > 0 else []
            ways += [alpha[t, u - 1] + log_probs[t, u - 1, labels[u - 1]]] if u > 0 else []
            if ways:
                alpha[t, u] = torch.logsumexp(torch.stack(ways), 0)
    return -(alpha[frames - 1, len(labels)] + log_probs[frames - 1, len(labels), -1])


if __name__ == "__main__":
    for family in sys.argv[1:] or ENCODERS:
        if family.startswith("squeezeformer"):
            add_squeezeformer()
        make(family)
        print(family, {f.suffix: f.stat().st_size for f in FOLDER.glob(f"{family}.*")})
