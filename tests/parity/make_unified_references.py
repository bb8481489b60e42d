"""Makes the family "unified_rnnt" of tests/parity/references: a small unified NeMo model, offline and streaming.

    NEMO_PYTHON tests/parity/make_unified_references.py

For each attention context [left, chunk, right] the file has the encoder's frames of each recording alone: `offline_...`
of the whole recording with this mask, `stream_...` as NeMo's examples/asr/asr_chunked_inference/rnnt streams it, with
`att_context_size_as_chunk`: the encoder runs on the samples of a window, and the search continues with its new frames.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import torch
from make_references import decoded, joint, recorded, stacked
from nemo.collections.asr.models import EncDecRNNTModel
from nemo.collections.asr.parts.utils.streaming_utils import ContextSize, StreamingBatchedAudioBuffer
from nemo_models import LABELS, MODULES, PREPROCESSOR
from omegaconf import OmegaConf

FOLDER = Path(__file__).parent / "references"
TEXTS = ("a small test", "of it", "and more")
NUM_SAMPLES = (24000, 17777, 25600)
FRAME = 8 * 160
ENCODER = {
    "_target_": f"{MODULES}.ConformerEncoder",
    "feat_in": PREPROCESSOR["features"],
    "feat_out": -1,
    "n_layers": 2,
    "d_model": 16,
    "subsampling": "dw_striding",
    "subsampling_factor": 8,
    "subsampling_conv_channels": 4,
    "ff_expansion_factor": 2,
    "n_heads": 2,
    "att_context_size": [-1, -1],
    "att_context_style": "chunked_limited_with_rc",
    "att_chunk_context_size": [[7], [1, 2, 3], [0, 1, 2]],
    "conv_kernel_size": 5,
    "conv_context_size": None,
    "conv_context_style": "dcc",
    "dropout_emb": 0.0,
    "dropout_att": 0.1,
}
CONTEXTS = [(-1, -1, -1), (7, 1, 0), (7, 1, 1), (7, 2, 1), (7, 3, 2), (7, 1, 2)]


def build() -> EncDecRNNTModel:
    """Builds the model, without any parameter at its initial value, and joints that depend on the frame."""
    torch.manual_seed(5)
    sizes = {"joint_hidden": 8, "activation": "relu", "dropout": 0.1, "encoder_hidden": 16, "pred_hidden": 8}
    prednet = {"pred_hidden": 8, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.1}
    joint = {"_target_": f"{MODULES}.RNNTJoint", "num_classes": len(LABELS), "jointnet": sizes, "vocabulary": LABELS}
    config = {
        "sample_rate": 16000,
        "labels": LABELS,
        "preprocessor": PREPROCESSOR,
        "encoder": ENCODER,
        "decoder": {"_target_": f"{MODULES}.RNNTDecoder", "vocab_size": len(LABELS), "prednet": prednet},
        "joint": joint,
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 10}},
        "loss": {"loss_name": "default", "offline_loss_weight": 0.3, "streaming_loss_weight": 0.7},
        "model_defaults": {"enc_hidden": 16, "pred_hidden": 8},
    }
    model = EncDecRNNTModel(OmegaConf.create(config)).eval()
    noise = torch.Generator().manual_seed(7)
    for key, value in model.state_dict().items():
        if not value.is_floating_point() or key.startswith("preprocessor") or key.endswith("embed.weight"):
            continue
        centre, spread = (1.0, 0.2) if value.ndim == 1 and value.mean() > 0.5 else (0.0, 0.1)
        value.copy_((value if centre == 0.0 else centre) + spread * torch.randn(value.shape, generator=noise))
        if key.endswith("running_var"):
            value.abs_().add_(0.1)
    return model.requires_grad_(False)


def audio() -> np.ndarray:
    """Generates waveforms of gliding tones in noise, coarsely quantised so that they compress well."""
    rng = np.random.default_rng(3)
    waves = np.zeros((len(NUM_SAMPLES), max(NUM_SAMPLES)), np.float32)
    for row, count in enumerate(NUM_SAMPLES):
        pitches = np.repeat(rng.uniform(150, 3000, 12), -(-count // 12))[:count]
        wave = 0.2 * np.sin(2 * np.pi * np.cumsum(pitches) / 16000) + 0.005 * rng.standard_normal(count)
        waves[row, :count] = np.round(wave * 256) / 256
    return waves


def balance(model: EncDecRNNTModel, encoded: torch.Tensor) -> None:
    """Makes the joint depend on the frame and on the last symbol; it would emit the same symbol everywhere."""
    symbols = torch.arange(model.joint.num_classes_with_blank - 1)
    predicted, _, _ = model.decoder(targets=symbols[:, None], target_length=torch.ones(len(symbols)))
    out = model.joint.joint_net[-1]
    out.weight.normal_(generator=torch.Generator().manual_seed(9))
    for layer, inputs in ((model.joint.enc, encoded), (model.joint.pred, predicted[:, :, 1])):
        layer.bias.zero_()
        outputs = layer(inputs)
        layer.weight.div_(outputs.std(0)[:, None])
        layer.bias.sub_(layer(inputs).mean(0))
    hidden = torch.relu(model.joint.enc(encoded)[:, None] + model.joint.pred(predicted[:, :, 1]))
    out.bias.sub_(out(hidden).mean((0, 1)))
    out.bias[-1] += 3.0  # the blank


def streamed(model: EncDecRNNTModel, samples: torch.Tensor, context: tuple[int, ...]) -> tuple[torch.Tensor, list]:
    """Streams one recording [S]; returns the frames that were searched, and the ids after each step."""
    sizes = ContextSize(*(size * FRAME for size in context))
    buffer = StreamingBatchedAudioBuffer(1, sizes, samples.dtype, samples.device)
    search, state, count = model.decoding.decoding.decoding_computer, None, len(samples)
    frames, steps, ids, begin, end = [], [], [], 0, min(sizes.chunk + sizes.right, count)
    while begin < count:
        last = end >= count
        length = torch.tensor([end - begin])
        buffer.add_audio_batch_(samples[None, begin:end], length, last, torch.tensor([last]))
        encoded, num_frames = model(input_signal=buffer.samples, input_signal_length=buffer.context_size_batch.total())
        kept = buffer.context_size.subsample(FRAME)
        encoded = encoded.mT[:, kept.left :]
        new = num_frames - kept.left if last else torch.tensor([kept.chunk])
        found, state = search(x=encoded, out_len=new, prev_batched_state=state)
        ids += found.transcript[0, : int(found.current_lengths[0])].tolist()
        frames.append(encoded[0, : int(new)])
        steps.append(list(ids))
        begin, end = end, min(end + sizes.chunk, count)
    return torch.cat(frames), steps


def whole(model: EncDecRNNTModel, features: torch.Tensor, lengths: torch.Tensor) -> tuple[dict, dict]:
    """Returns the arrays and notes that all references have, for whole recordings, each encoded alone."""
    ids = [[LABELS.index(c) for c in text] for text in TEXTS]
    targets = np.zeros((len(ids), max(map(len, ids))), np.int64)
    outputs, encoded, heads = recorded(model), [], []
    for row, labels in enumerate(ids):
        targets[row, : len(labels)] = labels
        length = lengths[row : row + 1]
        frames, _ = model.encoder(audio_signal=features[row : row + 1, :, : int(length)], length=length)
        predicted, _, _ = model.decoder(targets=torch.tensor([labels]), target_length=torch.tensor([len(labels)]))
        model.joint.log_softmax = False
        heads.append(model.joint.joint(frames.mT, predicted.mT)[0])
        model.joint.log_softmax = None
        encoded.append(frames[0].T)
    arrays = {f"enc.{key}": stacked([call[0][0] for call in calls]) for key, calls in outputs.items()}
    arrays |= {"enc.pre_encode.0": arrays.pop("enc.pre_encode"), "enc.pos_enc.0": arrays.pop("enc.pos_enc")}
    arrays |= {"enc.pre_encode.1": np.array([len(x) for x in encoded]), "joint_raw": joint(heads)}
    arrays |= {"enc_out": stacked(encoded).transpose(0, 2, 1), "enc_out_len": arrays["enc.pre_encode.1"]}
    arrays |= {"targets": targets, "target_len": np.array(list(map(len, ids)))}
    search = model.decoding.rnnt_decoder_predictions_tensor
    texts = [decoded(search(x.T[None], torch.tensor([len(x)]), return_hypotheses=True)) for x in encoded]
    return arrays, {"blank_id": len(LABELS), "rnnt_greedy_batch": texts}


def main() -> None:
    model, waves = build(), torch.from_numpy(audio())
    arrays = {"audio": waves.numpy(), "audio_len": np.array(NUM_SAMPLES)}
    features, lengths = model.preprocessor(input_signal=waves, length=torch.tensor(NUM_SAMPLES))
    arrays |= {"feats": features.numpy(), "feats_len": lengths.numpy()}
    balance(model, model.encoder(audio_signal=features[:1], length=lengths[:1])[0][0].T)
    file = FOLDER / "unified_rnnt.nemo"
    model.save_to(str(file))
    file.write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    more, notes = whole(model, features, lengths)
    arrays |= more
    for context in CONTEXTS:
        model.encoder.set_default_att_context_size(list(context))
        key = "_".join(map(str, context))
        for row, count in enumerate(NUM_SAMPLES):
            one, length = features[row : row + 1, :, : lengths[row]], lengths[row : row + 1]
            encoded, num_frames = model.encoder(audio_signal=one, length=length)
            [found] = model.decoding.rnnt_decoder_predictions_tensor(encoded, num_frames, return_hypotheses=True)
            arrays[f"offline_{key}_{row}"] = encoded[0].T.numpy()
            notes[f"offline_{key}_{row}"] = {"ids": found.y_sequence.tolist(), "text": found.text}
            if context[2] > 0:  # without frames on the right, NeMo's buffer is off by a chunk from its own count
                frames, steps = streamed(model, waves[row, :count], context)
                arrays[f"stream_{key}_{row}"] = frames.numpy()
                notes[f"stream_{key}_{row}"] = steps
    np.savez_compressed(FOLDER / "unified_rnnt.npz", **arrays)
    (FOLDER / "unified_rnnt.json").write_text(json.dumps(notes) + "\n")
    print({key: value["text"] for key, value in notes.items() if key.startswith("offline")})


if __name__ == "__main__":
    main()
