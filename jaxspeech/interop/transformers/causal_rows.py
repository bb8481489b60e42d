"""Maps the weights of a decoder-only language model to Transformers' names, with PEFT's of its LoRA."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.weights.rows import TensorRow, dense, same

# Our projections -> Transformers' names.
PROJECTIONS = {
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "out": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
OF_ATTENTION = ("query", "key", "value", "out")
# Tensors of old files that follow from their configuration.
UNUSED = ("{any}.rotary_emb.inv_freq",)


def causal_rows(
    decoder: Mapping[str, Any],
    *,
    trunk: str = "model",
    table: str = "model.embed_tokens.weight",
    head: str = "lm_head.weight",
    ours: str = "params/decoder",
) -> list[TensorRow]:
    """The rows of a `decoder` dict.

    Args:
      decoder: the configuration of a causal_transformer; its `lora` gives the targets names as PEFT does.
      trunk: what stands before the names of layers and of the last norm.
      table, head: the names of the embedding and of a head that is not tied.
      ours: the path of our decoder.
    """
    lora = decoder.get("lora") or {}
    targets = lora.get("targets", ("query", "value")) if lora.get("rank") else ()
    rows = [
        TensorRow(table, f"{ours}/embedding/table", same),
        TensorRow(f"{trunk}.norm.weight", f"{ours}/norm/scale", same),
    ]
    if not decoder.get("tied", True):
        rows.append(TensorRow(head, f"{ours}/head/kernel", dense))
    layer, our = f"{trunk}.layers.{{i}}", f"{ours}/layers_{{i}}"
    norms = {"input_layernorm": "attention_norm", "post_attention_layernorm": "feedforward_norm"}
    if decoder.get("query_key_norm"):
        norms |= {"self_attn.q_norm": "attention/query_norm", "self_attn.k_norm": "attention/key_norm"}
    rows += [TensorRow(f"{layer}.{theirs}.weight", f"{our}/{name}/scale", same) for theirs, name in norms.items()]
    for name, theirs in PROJECTIONS.items():
        path = f"{our}/{'attention' if name in OF_ATTENTION else 'feedforward'}/{name}"
        base = f"{layer}.{theirs}.base_layer" if name in targets else f"{layer}.{theirs}"
        rows.append(TensorRow(f"{base}.weight", f"{path}/kernel", dense))
        if decoder.get("biases") and name in ("query", "key", "value"):
            rows.append(TensorRow(f"{base}.bias", f"{path}/bias", same))
        if name in targets:
            for part in "AB":
                theirs_of_part = f"{layer}.{theirs}.lora_{part}.default.weight"
                rows.append(TensorRow(theirs_of_part, f"{path}/lora_{part.lower()}", dense))
    return rows
