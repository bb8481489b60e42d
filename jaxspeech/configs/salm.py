"""Trains a language model that hears (SALM) on your own manifests, from an encoder and a language model.

    python -m pip install "jaxspeech[train,speechlm]"
    jaxspeech train --config=salm --workdir=runs/salm --config.parts.encoder=canary-1b-flash.nemo \\
        --config.parts.decoder=Qwen3-1.7B --config.tokenizer.path=Qwen3-1.7B \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

The sizes are those of NVIDIA's canary-qwen-2.5b: the FastConformer of canary-1b-flash (811 M parameters), a projection,
and Qwen3-1.7B in a folder of Hugging Face Transformers, with LoRA of rank 128 beside its queries and values. The
encoder, the projection and LoRA are trained (839 M parameters); of the rest no gradient is formed. To keep the encoder
too, set --config.model.frozen_encoder=True: it then runs as in use.

Lines of the manifests are recordings with a "text", which are asked for with `asked.prompts`, or have a "context" of
their own; or conversations: docs/speechlm.md. A batch is planned by its audio and by its tokens, frames of audio
included: 12.5 of them are a second. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, pick, published, with_chat
from jaxspeech.configs.recognizers import FASTCONFORMER, FRONTEND

SIZES = {
    "canary-qwen-2.5b": {
        "encoder": {"width": 1024, "num_layers": 32, "num_heads": 8},
        "decoder": {
            **{"vocab_size": 151_936, "width": 2048, "num_layers": 28, "num_heads": 16, "num_groups": 8},
            **{"head_width": 128, "hidden_width": 6144, "query_key_norm": True, "rope": {"theta": 1e6}},
        },
        "lora": {"rank": 128, "alpha": 256.0, "dropout": 0.01, "targets": ("query", "value")},
        # The locator's id, the first after those of the language model's tokenizer.
        "audio_id": 151_669,
    }
}
# Everything of the language model but LoRA.
FROZEN = r"^decoder/(?!.*/lora_)"
# Seconds of a frame of audio in the language model.
FRAME_SECONDS = 0.08


def get_config(size: str = "canary-qwen-2.5b") -> ConfigDict:
    sizes = pick(SIZES, size, recipe="salm")
    encoder = FASTCONFORMER | sizes["encoder"] | {"xscaling": False, "dtype": "bfloat16", "remat": "full"}
    decoder = {"name": "causal_transformer", **sizes["decoder"], "lora": sizes["lora"], "remat": True}
    model = {
        "task": "speech_lm",
        "features": FRONTEND["features"] | {"num_mels": 128},
        "spec_augment": FRONTEND["spec_augment"],
        "encoder": encoder,
        "connector": {"name": "projection", "dtype": "bfloat16"},
        "decoder": decoder | {"dtype": "bfloat16"},
        "search": {"most_tokens": 256},
        "frozen_encoder": False,
    }
    config = with_chat(published(ConfigDict(model)))
    config.chat.audio_id = any_type(sizes["audio_id"])
    config.parts.encoder, config.parts.decoder = "canary-1b-flash.nemo", "Qwen3-1.7B"
    config.tokenizer.path = "Qwen3-1.7B"
    config.freeze = any_type((FROZEN,))
    config.data.max_seconds = 40.0
    config.data.max_tokens = 1024
    config.data.label_seconds = FRAME_SECONDS
    config.data.label_buckets = 2
    config.augment.speed = (1.0,)
    config.optimizer.learning_rate = 3e-4
    config.optimizer.schedule = {"name": "cosine", "warmup_steps": 1_000, "min_learning_rate": 1e-6}
    return config
