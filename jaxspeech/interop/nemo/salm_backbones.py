"""The language models that NeMo's published SALMs are made of, by their names: a config.json may only name its own.

Only their shapes are here, as the config.json of Transformers has them. Sources: the config.json of each on the Hub.
"""

from collections.abc import Mapping
from typing import Any

_QWEN3 = {
    **{"model_type": "qwen3", "vocab_size": 151936, "num_key_value_heads": 8, "head_dim": 128},
    **{"rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True},
}
_QWEN2 = {
    **{"model_type": "qwen2", "vocab_size": 151936, "num_key_value_heads": 2},
    **{"rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True},
}


def _sizes(width: int, layers: int, heads: int, hidden: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": hidden,
    }


BACKBONES: Mapping[str, Mapping[str, Any]] = {
    "Qwen/Qwen3-0.6B": _QWEN3 | _sizes(1024, 28, 16, 3072),
    "Qwen/Qwen3-1.7B": _QWEN3 | _sizes(2048, 28, 16, 6144),
    "Qwen/Qwen3-4B": _QWEN3 | _sizes(2560, 36, 32, 9728),
    "Qwen/Qwen2.5-0.5B": _QWEN2 | _sizes(896, 24, 14, 4864),
    "Qwen/Qwen2.5-0.5B-Instruct": _QWEN2 | _sizes(896, 24, 14, 4864),
    "Qwen/Qwen2.5-1.5B": _QWEN2 | _sizes(1536, 28, 12, 8960),
    "Qwen/Qwen2.5-1.5B-Instruct": _QWEN2 | _sizes(1536, 28, 12, 8960),
    "TinyLlama/TinyLlama_v1.1": {
        **{"model_type": "llama", "vocab_size": 32000, "num_key_value_heads": 4, "rms_norm_eps": 1e-5},
        **_sizes(2048, 22, 32, 5632),
    },
}
