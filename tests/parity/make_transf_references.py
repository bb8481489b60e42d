"""Makes the references of attention decoders without prompts: small NeMo models with random weights, and their outputs.

    NEMO_PYTHON tests/parity/make_transf_references.py

It needs NeMo 3. The keys are those of the other attention decoders: features, states, log-probabilities, loss, greedy
and beam search of each recording alone.
"""

import gzip
import json
import tempfile
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from make_references import FOLDER, NUM_SAMPLES, TEXTS, audio
from nemo_models import PREPROCESSOR, randomize
from omegaconf import OmegaConf

SENTENCES = ["the quick brown fox jumps over the lazy dog", "pack my box with five dozen liquor jugs", *TEXTS]
ENCODER = {
    "_target_": "nemo.collections.asr.modules.ConformerEncoder",
    **{"feat_in": PREPROCESSOR["features"], "n_layers": 1, "d_model": 16, "n_heads": 2, "subsampling": "dw_striding"},
    **{"subsampling_factor": 4, "subsampling_conv_channels": 4, "ff_expansion_factor": 1, "conv_kernel_size": 5},
    **{"dropout": 0.1, "dropout_att": 0.1, "dropout_pre_encoder": 0.1, "xscaling": False},
}
DROPOUT = {"ffn_dropout": 0.1, "attn_score_dropout": 0.1, "attn_layer_dropout": 0.1}
DECODER = {"library": "nemo", "model_name": None, "pretrained": False, "max_sequence_length": 64, "inner_size": 20}
DECODER |= {"num_layers": 2, "num_attention_heads": 2, "embedding_dropout": 0.1, **DROPOUT}
LAYERS = {"inner_size": 20, "num_attention_heads": 4, **DROPOUT}
MODELS = {
    # Norms first, sinusoids, ReLU, a layer between encoder and decoder, which have different widths.
    "transf_pre": (
        {"hidden_size": 12, "num_token_types": 0, "pre_ln": True, "pre_ln_final_layer_norm": True},
        {"hidden_size": 12, "num_layers": 1, **LAYERS},
    ),
    # Norms after, learnt positions, GELU, token types; the layer between them has its norms first, and no last one.
    "transf_post": (
        {"hidden_size": 16, "hidden_act": "gelu", "learn_positional_encodings": True},
        {"hidden_size": 16, "num_layers": 1, "pre_ln_final_layer_norm": False, **LAYERS},
    ),
}

FACTORS = {"first_sub_layer": 4.0, "second_sub_layer": 0.4, "third_sub_layer": 2.0, "position_embedding": 3.0}


def tokenizer(folder: Path) -> None:
    """Writes the files of a tokenizer as NeMo's script does, without a map of characters, which is large."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=48,  # a multiple of 8: NeMo also emits outputs that stand for no token
        model_type="bpe",
        normalization_rule_name="identity",
        **{"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3, "minloglevel": 3},
    )
    lines = (folder / "tokenizer.vocab").read_text().splitlines()
    words = [line.split("\t")[0] for line in lines[4:]]
    words = [(word[1:] or word) if word.startswith("\u2581") else f"##{word}" for word in words]
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))


def build(name: str, folder: Path):
    from nemo.collections.asr.models.transformer_bpe_models import EncDecTransfModelBPE

    torch.manual_seed(5)
    decoder, layers = MODELS[name]
    config = {
        "sample_rate": 16000,
        "label_smoothing": 0.0,
        "tokenizer": {"dir": str(folder), "type": "bpe"},
        "preprocessor": PREPROCESSOR,
        "encoder": ENCODER,
        "transf_encoder": layers,
        "transf_decoder": DECODER | decoder,
        "head": {"num_layers": 1, "activation": "relu", "log_softmax": True, "dropout": 0.0}
        | {"use_transformer_init": True},
        "beam_search": {"beam_size": 4, "len_pen": 0.0, "max_generation_delta": 5},
    }
    model = EncDecTransfModelBPE(OmegaConf.create(config))
    randomize(model)
    factors = {"sub_layer": 4.0} if name == "transf_pre" else FACTORS
    with torch.no_grad():  # so that a token depends on those before it, and on the audio
        for key, value in model.transf_decoder.named_parameters():
            for part, factor in factors.items():
                if part in key and value.ndim == 2:
                    value *= factor
        model.log_softmax.mlp.layer0.bias[model.tokenizer.pad_id] = -20  # padding would end a text
    return model.eval()


def searched(model, states, mask, size: int) -> list[dict]:
    """Returns NeMo's n-best of a recording alone, the best first."""
    model.beam_search.beam_size = size
    prefixes, scores, _ = model.beam_search(
        encoder_hidden_states=states, encoder_input_mask=mask, return_beam_scores=True
    )[:3]
    best = sorted(zip(scores[0].reshape(-1).tolist(), prefixes[0].tolist(), strict=True), reverse=True)
    return [{"score": score, "y_sequence": stripped(model, ids)} for score, ids in best]


def stripped(model, ids: list[int]) -> list[int]:
    """Returns the tokens of the text: without its start, end and padding."""
    ids = ids[1:]
    while ids and ids[-1] in (model.tokenizer.eos_id, model.tokenizer.pad_id):
        ids = ids[:-1]
    return ids


def make(name: str, folder: Path) -> None:
    model = build(name, folder)
    ids = [[model.tokenizer.bos_id, *model.tokenizer.text_to_ids(text), model.tokenizer.eos_id] for text in TEXTS]
    lengths = torch.tensor([len(row) - 1 for row in ids])
    whole = torch.full((2, max(map(len, ids))), model.tokenizer.pad_id)
    for row, values in enumerate(ids):
        whole[row, : len(values)] = torch.tensor(values)
    samples, counts = audio(), torch.tensor(NUM_SAMPLES)
    with torch.no_grad():
        features, num_features = model.preprocessor(input_signal=torch.from_numpy(samples), length=counts)
        log_probs, num_frames, states, mask = model.forward(
            processed_signal=features,
            processed_signal_length=num_features,
            transcript=whole[:, :-1],
            transcript_length=lengths,
        )
        loss = model.transf_loss(log_probs=log_probs, labels=whole[:, 1:])
        rows = [(states[i : i + 1, :n], mask[i : i + 1, :n]) for i, n in enumerate(num_frames)]
        decode = {
            "greedy": [searched(model, *row, 1)[0] for row in rows],
            "beam4_nbest_alone": [searched(model, *row, 4) for row in rows],
        }
    model.beam_search.beam_size = 4
    arrays = {
        **{"feats": features, "feats_len": num_features, "enc_states": states, "enc_mask": mask},
        **{"dec_input": whole[:, :-1], "dec_labels": whole[:, 1:], "dec_len": lengths, "dec_log_probs": log_probs},
        "loss_nll": loss,
    }
    file = FOLDER / f"{name}.nemo"
    model.save_to(str(file))
    file.write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    audio_of = {"audio": samples, "audio_len": counts.numpy()}
    np.savez_compressed(FOLDER / f"{name}.npz", **audio_of, **{key: value.numpy() for key, value in arrays.items()})
    notes = {"prompt_ids": [model.tokenizer.bos_id], "decode": decode}
    (FOLDER / f"{name}.json").write_text(json.dumps(notes, indent=1) + "\n")
    print(name, decode, {f.suffix: f.stat().st_size for f in FOLDER.glob(f"{name}.*")})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        tokenizer(Path(folder))
        for model in MODELS:
            make(model, Path(folder))
