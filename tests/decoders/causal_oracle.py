"""A decoder-only Transformer in NumPy, float64, one row and one token after another."""

import numpy as np


def float64(tree):
    """The parameters of a decoder with stacked layers, in float64."""
    if isinstance(tree, dict):
        return {name: float64(value) for name, value in tree.items()}
    return np.asarray(tree, np.float64)


def states(decoder, params, x):
    """The states after each token of one row [N D]."""
    params, x = float64(params), np.asarray(x, np.float64)
    for i in range(decoder.num_layers):
        layer = _layer(params["layers"], i)
        x = x + _attention(decoder, layer["attention"], _norm(decoder, layer["attention_norm"], x))
        y, branch = _norm(decoder, layer["feedforward_norm"], x), layer["feedforward"]
        gate = _project(decoder, branch, "gate", y)
        x = x + _project(decoder, branch, "down", gate / (1 + np.exp(-gate)) * _project(decoder, branch, "up", y))
    return _norm(decoder, params["norm"], x)


def logits(decoder, params, states):
    """The scores of the next token."""
    params = float64(params)
    return states @ (params["embedding"]["table"].T if decoder.tied else params["head"]["kernel"])


def _layer(tree, i):
    return {name: _layer(value, i) if isinstance(value, dict) else value[i] for name, value in tree.items()}


def _norm(decoder, params, x):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + decoder.norm_epsilon) * params["scale"]


def _project(decoder, branch, name, x):
    part = branch[name]
    y = x @ part["kernel"] + part.get("bias", 0.0)
    if "lora_a" in part:
        y = y + decoder.lora.alpha / decoder.lora.rank * (x @ part["lora_a"] @ part["lora_b"])
    return y


def _frequencies(rope, width):
    found = []
    for i in range(width // 2):
        f = rope.theta ** (-2 * i / width)
        if rope.scaling == "linear":
            f /= rope.factor
        if rope.scaling == "llama3":
            wave = 2 * np.pi / f
            if wave > rope.original_context / rope.low_frequency_factor:
                f /= rope.factor
            elif wave >= rope.original_context / rope.high_frequency_factor:
                share = rope.original_context / wave - rope.low_frequency_factor
                share /= rope.high_frequency_factor - rope.low_frequency_factor
                f = (1 - share) * f / rope.factor + share * f
        found.append(f)
    return np.array(found)


def _rotated(rope, x, place):
    angles = place * _frequencies(rope, len(x))
    pairs = (x[: len(x) // 2] + 1j * x[len(x) // 2 :]) * np.exp(1j * angles)
    return np.concatenate([pairs.real, pairs.imag])


def _attention(decoder, params, x):
    heads, groups, width = decoder.num_heads, decoder.groups, decoder.channels
    query, key, value = (
        _project(decoder, params, name, x).reshape(len(x), -1, width) for name in ("query", "key", "value")
    )
    if decoder.query_key_norm:
        query, key = _norm(decoder, params["query_norm"], query), _norm(decoder, params["key_norm"], key)
    out = np.zeros((len(x), heads, width))
    for h in range(heads):
        g = h // (heads // groups)
        for t in range(len(x)):
            turned = _rotated(decoder.rope, query[t, h], t)
            scores = np.array([turned @ _rotated(decoder.rope, key[s, g], s) for s in range(t + 1)]) / width**0.5
            weights = np.exp(scores - scores.max())
            out[t, h] = weights @ value[: t + 1, g] / weights.sum()
    return _project(decoder, params, "out", out.reshape(len(x), -1))
