"""Makes the family "multitalker_rnnt": a small NeMo model with speaker kernels, offline and streaming.

    NEMO_PYTHON tests/parity/make_multitalker_references.py FOLDER

It needs NeMo 3. The tests find the files if the environment variable JAXSPEECH_REFERENCES is FOLDER. For each speaker s
of each recording r, encoded alone, `offline_{r}_{s}` are the encoder's frames, and `shifted_{r}_{s}` those with masks
that are three frames shorter (r = 0) or longer (r = 1) than the encoder's output. `stream_{s}` are the frames of the
first recording in NeMo's cache-aware steps, in which all speakers are one batch; `masks_{r}` [2 S T] are the masks.
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from make_references import rnnt_loss, stacked
from make_unified_references import balance
from nemo.collections.asr.models.multitalker_asr_models import EncDecMultiTalkerRNNTBPEModel
from nemo.collections.asr.parts.utils.streaming_utils import CacheAwareStreamingAudioBuffer
from nemo_models import MODULES, PREPROCESSOR
from omegaconf import OmegaConf

SENTENCES = ["the quick brown fox jumps over the lazy dog", "pack my box with five dozen liquor jugs", "a small test"]
TEXTS = ("a small test", "the dog", "my box", "five", "quick")
NUM_SAMPLES = (48000, 33333)
SPEAKERS = (3, 2)
FRAMES = 3  # of a step
ENCODER = {
    "_target_": f"{MODULES}.ConformerEncoder",
    "feat_in": PREPROCESSOR["features"],
    "feat_out": -1,
    "n_layers": 3,
    "d_model": 16,
    "subsampling": "dw_striding",
    "subsampling_factor": 8,
    "subsampling_conv_channels": 4,
    "causal_downsampling": True,
    "ff_expansion_factor": 2,
    "n_heads": 2,
    "att_context_size": [[6, FRAMES - 1], [6, 0]],
    "att_context_style": "chunked_limited",
    "xscaling": False,
    "conv_kernel_size": 5,
    "conv_context_size": "causal",
    "conv_norm_type": "layer_norm",
    "dropout_emb": 0.0,
}


def build(folder: Path) -> EncDecMultiTalkerRNNTBPEModel:
    """Builds the model, without any parameter at its initial value."""
    torch.manual_seed(5)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=40,
        model_type="bpe",
        normalization_rule_name="identity",
        **{"unk_id": 0, "bos_id": -1, "eos_id": -1, "minloglevel": 3},
    )
    lines = (folder / "tokenizer.vocab").read_text().splitlines()
    (folder / "vocab.txt").write_text("".join(f"{line.partition(chr(9))[0]}\n" for line in lines[1:]))
    sizes = {"joint_hidden": 8, "activation": "relu", "dropout": 0.1, "encoder_hidden": 16, "pred_hidden": 8}
    prednet = {"pred_hidden": 8, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.1}
    config = {
        "sample_rate": 16000,
        "tokenizer": {"dir": str(folder), "type": "bpe"},
        "preprocessor": PREPROCESSOR | {"normalize": "NA"},
        "encoder": ENCODER,
        "decoder": {"_target_": f"{MODULES}.RNNTDecoder", "prednet": prednet},
        "joint": {"_target_": f"{MODULES}.RNNTJoint", "jointnet": sizes},
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 10}},
        "loss": {"loss_name": "default"},
        "model_defaults": {"enc_hidden": 16, "pred_hidden": 8},
        "spk_kernel_type": "ff",
        "spk_kernel_layers": [0, 2],
        "add_bg_spk_kernel": True,
    }
    model = EncDecMultiTalkerRNNTBPEModel(OmegaConf.create(config)).eval()
    noise = torch.Generator().manual_seed(7)
    for key, value in model.state_dict().items():
        if not value.is_floating_point() or key.startswith("preprocessor") or key.endswith("embed.weight"):
            continue
        centre, spread = (1.0, 0.2) if value.ndim == 1 and value.mean() > 0.5 else (0.0, 0.1)
        spread = 0.3 if "spk_kernels" in key else spread
        value.copy_((value if centre == 0.0 else centre) + spread * torch.randn(value.shape, generator=noise))
    return model


def audio() -> np.ndarray:
    """Generates waveforms of gliding tones in noise, coarsely quantised so that they compress well."""
    rng = np.random.default_rng(3)
    waves = np.zeros((len(NUM_SAMPLES), max(NUM_SAMPLES)), np.float32)
    for row, count in enumerate(NUM_SAMPLES):
        pitches = np.repeat(rng.uniform(150, 3000, 24), -(-count // 24))[:count]
        wave = 0.2 * np.sin(2 * np.pi * np.cumsum(pitches) / 16000) + 0.005 * rng.standard_normal(count)
        waves[row, :count] = np.round(wave * 256) / 256
    return waves


def masks_of(rng: np.random.Generator, speakers: int, frames: int) -> np.ndarray:
    """Draws the activity of speakers who begin and stop at random; returns targets and backgrounds [2 S T]."""
    spoken = np.repeat(rng.random((speakers, -(-frames // 6))) < 0.6, 6, 1)[:, :frames]
    targets = np.where(spoken, rng.uniform(0.55, 1, (speakers, frames)), rng.uniform(0, 0.45, (speakers, frames)))
    others = [np.delete(targets, i, 0) for i in range(speakers)]
    return np.stack([targets, np.stack([(o > 0.5).any(0) for o in others])]).astype(np.float32)


def set_masks(model, masks: np.ndarray) -> None:
    """Sets the masks [2 B T] of the next calls."""
    model.set_speaker_targets(*torch.from_numpy(np.ascontiguousarray(masks)))


def some_frames(model, features: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Returns frames [T D] of a recording with several masks."""
    frames = []
    for masks in np.random.default_rng(13).random((6, 2, 1, 64)).astype(np.float32):
        set_masks(model, masks)
        frames.append(model.encoder(audio_signal=features, length=length)[0][0].T)
    return torch.cat(frames)


def searched(model, encoded: torch.Tensor, num_frames: torch.Tensor) -> list[int]:
    [found] = model.decoding.rnnt_decoder_predictions_tensor(encoded, num_frames, return_hypotheses=True)
    return [int(i) for i in found.y_sequence]


def streamed(model, samples: np.ndarray, masks: np.ndarray) -> tuple[list[np.ndarray], list]:
    """Streams a recording with all its speakers as one batch; returns frames [T D] and the ids after each step."""
    model.encoder.set_default_att_context_size([6, FRAMES - 1])
    model.encoder.setup_streaming_params()
    buffer = CacheAwareStreamingAudioBuffer(model, pad_and_drop_preencoded=False)
    buffer.append_audio(samples)
    speakers = masks.shape[1]
    channel, time, length = model.encoder.get_initial_cache_state(batch_size=speakers)
    hypotheses, frames, steps, done = None, [], [], 0
    for i, (chunk, count) in enumerate(buffer):
        drop = 0 if i == 0 else model.encoder.streaming_cfg.drop_extra_pre_encoded
        _, before = model.encoder.pre_encode(x=chunk.mT, lengths=count)
        size = min(int(before[0]) - drop, FRAMES)
        set_masks(model, masks[:, :, done : done + size])
        encoded, num_frames, channel, time, length = model.encoder.cache_aware_stream_step(
            processed_signal=chunk.expand(speakers, -1, -1),
            processed_signal_length=count.expand(speakers),
            cache_last_channel=channel,
            cache_last_time=time,
            cache_last_channel_len=length,
            keep_all_outputs=buffer.is_buffer_empty(),
            drop_extra_pre_encoded=drop,
        )
        hypotheses = model.decoding.rnnt_decoder_predictions_tensor(
            encoded, num_frames, return_hypotheses=True, partial_hypotheses=hypotheses
        )
        done += int(num_frames[0])
        frames.append(encoded[:, :, : int(num_frames[0])].mT.numpy())
        steps.append([[int(i) for i in found.y_sequence] for found in hypotheses])
    return list(np.concatenate(frames, 1)), steps


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as pieces:
        model = build(Path(pieces))
        waves, counts = audio(), torch.tensor(NUM_SAMPLES)
        rng = np.random.default_rng(11)
        arrays, notes, losses, encodings, labels = {"audio": waves, "audio_len": counts.numpy()}, {}, [], [], []
        with torch.no_grad():
            features, lengths = model.preprocessor(input_signal=torch.from_numpy(waves), length=counts)
            balance(model, some_frames(model, features[:1, :, : lengths[0]], lengths[:1]))
        arrays |= {"feats": features.numpy(), "feats_len": lengths.numpy()}
        for r, (length, speakers) in enumerate(zip(lengths, SPEAKERS, strict=True)):
            one, length = features[r : r + 1, :, :length], length[None]
            set_masks(model, np.ones((2, 1, 1), np.float32))
            with torch.no_grad():
                size = model.encoder(audio_signal=one, length=length)[0].shape[-1]
            masks = arrays[f"masks_{r}"] = masks_of(rng, speakers, size)
            longer = np.concatenate([masks[:, :, :3], masks], 2)
            for s in range(speakers):
                set_masks(model, masks[:, s : s + 1])
                encoded, num_frames = model.encoder(audio_signal=one, length=length)
                ids = model.tokenizer.text_to_ids(TEXTS[sum(SPEAKERS[:r]) + s])
                predicted, _, _ = model.decoder(targets=torch.tensor([ids]), target_length=torch.tensor([len(ids)]))
                model.joint.log_softmax = False
                logits = model.joint.joint(encoded.mT, predicted.mT)
                model.joint.log_softmax = None
                losses.append(rnnt_loss(logits.log_softmax(-1)[0], ids))
                labels.append(ids)
                with torch.no_grad():
                    encodings.append(encoded[0].T)
                    arrays[f"offline_{r}_{s}"] = encoded[0].T.numpy()
                    notes[f"offline_{r}_{s}"] = searched(model, encoded, num_frames)
                    set_masks(model, (longer if r else masks[:, :, 3:])[:, s : s + 1])
                    arrays[f"shifted_{r}_{s}"] = model.encoder(audio_signal=one, length=length)[0][0].T.numpy()
        torch.stack(losses).mean().backward()
        gradients = {key: p.grad.norm() for key, p in model.named_parameters() if p.grad is not None}
        arrays |= {"losses": np.array([x.item() for x in losses], np.float32), "grad_names": np.array([*gradients])}
        arrays["grad_norms"] = np.array([x.item() for x in gradients.values()], np.float32)
        notes["labels"] = labels
        with torch.no_grad():
            frames, notes["stream"] = streamed(model, waves[0, : NUM_SAMPLES[0]], arrays["masks_0"])
        arrays |= {f"stream_{s}": x for s, x in enumerate(frames)}
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "multitalker_rnnt.nemo"
        model.encoder.set_default_att_context_size([6, FRAMES - 1])
        model.save_to(str(file))
        file.write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    np.savez_compressed(folder / "multitalker_rnnt.npz", **arrays)
    (folder / "multitalker_rnnt.json").write_text(json.dumps(notes) + "\n")
    print({key: value for key, value in notes.items() if key != "stream"}, stacked(encodings).shape)
    offline = [arrays[f"offline_0_{s}"] for s in range(SPEAKERS[0])]
    print([float(np.abs(a[: len(b)] - b).max()) for a, b in zip(offline, frames, strict=True)])
    print([float(np.abs(offline[0] - other).max()) for other in offline[1:]])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
