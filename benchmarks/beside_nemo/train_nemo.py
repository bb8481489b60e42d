"""Trains the models of `recipe.py` with NeMo, on the same data and settings; runs in NeMo's own environment.

    python benchmarks/beside_nemo/train_nemo.py --data=DATA --kind=fsdd-ctc --tokenizer=FOLDER/tokenizer

FOLDER is the workdir of our run. `digit_strings-rnnt` starts from `--init_from=MODEL.nemo`, which
`jaxspeech convert MODEL.jaxspeech MODEL.nemo` writes. Prints one JSON line: seconds of the steps, seconds with
evaluation, WER.
"""

import argparse
import json
import logging
import os
import time

import lightning.pytorch as pl
import torch
from nemo.collections.asr.metrics.wer import word_error_rate
from nemo.collections.asr.models import EncDecCTCModelBPE, EncDecRNNTBPEModel
from nemo.utils import logging as nemo_logging
from omegaconf import OmegaConf

SETS = {
    "fsdd": {
        "sample_rate": 8000,
        "features": {"normalize": "all_features", "features": 40, "n_fft": 256},
        "masks": {"freq_masks": 2, "freq_width": 8, "time_masks": 1, "time_width": 0.15},
        "encoder": {
            "n_layers": 4,
            "d_model": 96,
            "subsampling_factor": 4,
            "subsampling_conv_channels": 32,
            "xscaling": False,
        },
        "prediction": 64,
        "joint": 96,
        "batch_size": 32,
        "max_seconds": 1.0,
        "learning_rate": 3e-3,
        "steps": 1000,
    },
    "librispeech_mini": {
        "sample_rate": 16000,
        "features": {"normalize": "per_feature", "features": 80, "n_fft": 512},
        "masks": {"freq_masks": 2, "freq_width": 27, "time_masks": 5, "time_width": 0.05},
        "encoder": {
            "n_layers": 16,
            "d_model": 176,
            "subsampling_factor": 8,
            "subsampling_conv_channels": 176,
            "xscaling": True,
        },
        "prediction": 320,
        "joint": 320,
        "batch_size": 8,
        "max_seconds": 20.0,
        "learning_rate": 2e-3,
        "steps": 12,
    },
}
SETS["digit_strings"] = SETS["fsdd"] | {"max_seconds": 3.4, "steps": 400}
WARM = 4
MODULES = "nemo.collections.asr.modules"


def data(manifest: str, chosen: dict, *, train: bool, workers: int) -> dict:
    """Make NeMo's configuration of a data set."""
    return {
        "manifest_filepath": manifest,
        "sample_rate": chosen["sample_rate"],
        "batch_size": chosen["batch_size"],
        "shuffle": train,
        "num_workers": workers,
        "use_start_end_token": False,
        "min_duration": 0.1,
        "max_duration": chosen["max_seconds"] if train else 20.0,
    }


def config(folder: str, chosen: dict, *, decoder: str, tokenizer: str, workers: int) -> dict:
    """Make NeMo's configuration of a model and its training; `chosen` is one of SETS."""
    width = chosen["encoder"]["d_model"]
    common = {
        "sample_rate": chosen["sample_rate"],
        "log_prediction": False,
        "skip_nan_grad": False,
        "tokenizer": {"dir": tokenizer, "type": "bpe"},
        "preprocessor": {
            "_target_": f"{MODULES}.AudioToMelSpectrogramPreprocessor",
            "sample_rate": chosen["sample_rate"],
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "log": True,
            "dither": 1e-5,
            "pad_to": 0,
            **chosen["features"],
        },
        "spec_augment": {"_target_": f"{MODULES}.SpectrogramAugmentation", **chosen["masks"]},
        "encoder": {
            "_target_": f"{MODULES}.ConformerEncoder",
            "feat_in": chosen["features"]["features"],
            "feat_out": -1,
            "subsampling": "dw_striding",
            "ff_expansion_factor": 4,
            "self_attention_model": "rel_pos",
            "n_heads": 4,
            "att_context_size": [-1, -1],
            "untie_biases": True,
            "pos_emb_max_len": 5000,
            "conv_kernel_size": 9,
            "conv_norm_type": "batch_norm",
            "dropout": 0.1,
            "dropout_pre_encoder": 0.1,
            "dropout_emb": 0.0,
            "dropout_att": 0.1,
            **chosen["encoder"],
        },
        "train_ds": data(f"{folder}/train.jsonl", chosen, train=True, workers=workers),
        "validation_ds": data(f"{folder}/dev.jsonl", chosen, train=False, workers=0),
        "optim": {
            "name": "adamw",
            "lr": chosen["learning_rate"],
            "betas": [0.9, 0.98],
            "weight_decay": 1e-2,
            "sched": {
                "name": "CosineAnnealing",
                "warmup_ratio": 0.1,
                "warmup_steps": None,
                "min_lr": 1e-5,
                "max_steps": chosen["steps"],
            },
        },
    }
    if decoder == "ctc":
        head = {"_target_": f"{MODULES}.ConvASRDecoder", "feat_in": None, "num_classes": -1, "vocabulary": []}
        return common | {"ctc_reduction": "mean_batch", "decoder": head}
    prediction, joint = chosen["prediction"], chosen["joint"]
    return common | {
        "rnnt_reduction": "mean_batch",
        "compute_eval_loss": False,
        "model_defaults": {"enc_hidden": width, "pred_hidden": prediction, "joint_hidden": joint},
        "decoder": {
            "_target_": f"{MODULES}.RNNTDecoder",
            "normalization_mode": None,
            "random_state_sampling": False,
            "blank_as_pad": True,
            "prednet": {"pred_hidden": prediction, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.2},
        },
        "joint": {
            "_target_": f"{MODULES}.RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "fused_batch_size": 16,
            "jointnet": {"joint_hidden": joint, "activation": "relu", "dropout": 0.2},
        },
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 10}},
        "loss": {"loss_name": "default", "warprnnt_numba_kwargs": {"fastemit_lambda": 0.0, "clamp": -1.0}},
    }


class Clock(pl.Callback):
    """Records when training started, was warm, and ended."""

    def on_train_start(self, *_: object) -> None:
        self.start, self.steps = time.perf_counter(), 0

    def on_train_batch_end(self, *_: object) -> None:
        self.steps += 1
        self.end = time.perf_counter()
        if self.steps == WARM:
            self.warm = self.end


def word_errors(model: EncDecCTCModelBPE | EncDecRNNTBPEModel, folder: str) -> float:
    """Compute the word error rate on the evaluation set."""
    model.eval()
    with open(f"{folder}/dev.jsonl", encoding="utf-8") as manifest:
        lines = [json.loads(line) for line in manifest]
    files = [os.path.join(folder, line["audio_filepath"]) for line in lines]
    heard = model.transcribe(files, batch_size=32, verbose=False)
    return word_error_rate([hypothesis.text for hypothesis in heard], [line["text"] for line in lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--tokenizer", required=True)
    kinds = [f"{name}-{decoder}" for name in SETS for decoder in ("ctc", "rnnt")]
    parser.add_argument("--kind", choices=kinds, default="fsdd-ctc")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init_from")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    name, _, decoder = args.kind.partition("-")
    chosen, folder = SETS[name], os.path.join(os.path.abspath(args.data), name)

    nemo_logging.setLevel(logging.ERROR)
    torch.manual_seed(args.seed)
    clock = Clock()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=chosen["steps"],
        max_epochs=-1,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        callbacks=[clock],
    )
    kind = EncDecCTCModelBPE if decoder == "ctc" else EncDecRNNTBPEModel
    settings = config(folder, chosen, decoder=decoder, tokenizer=args.tokenizer, workers=args.workers)
    model = kind(cfg=OmegaConf.create(settings), trainer=trainer)
    before = None
    if args.init_from:
        model.load_state_dict(kind.restore_from(args.init_from, map_location="cpu").state_dict())
        before = word_errors(model, folder)
        model.train()
    start = time.perf_counter()
    trainer.fit(model)
    wer = word_errors(model, folder) if name != "librispeech_mini" else None  # no words are learnt in a dozen steps
    result = {
        "kind": args.kind,
        "seed": args.seed,
        "steps": clock.steps,
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "train_s": clock.end - clock.start,
        "step_ms": 1000 * (clock.end - clock.warm) / (clock.steps - WARM),
        "whole_s": time.perf_counter() - start,
        "loss": float(trainer.callback_metrics["train_loss"]),
        "wer_before": before,
        "wer": wer,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
