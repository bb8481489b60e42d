"""NeMo's tensors of Sortformer's head, and our variables for them."""

from jaxspeech.interop.nemo.weights.attention import encoder_layer_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow, linear, norm

_OURS, _TRANSFORMER, _MODULES = "params/decoder", "transformer_encoder", "sortformer_modules"
# No result depends on it; NeMo has it in every file.
SPARE = f"{_MODULES}.hidden_to_spks"
SORTFORMER_HEAD: list[TensorRow] = [
    *linear(f"{_MODULES}.encoder_proj", f"{_OURS}/projection"),
    *encoder_layer_rows(f"{_TRANSFORMER}.layers.{{i}}", f"{_OURS}/layers_{{i}}"),
    *norm(f"{_TRANSFORMER}.final_layer_norm", f"{_OURS}/norm_out"),
    *linear(f"{_MODULES}.first_hidden_to_hidden", f"{_OURS}/hidden"),
    *linear(f"{_MODULES}.single_hidden_to_spks", f"{_OURS}/out"),
    *linear(SPARE, f"{_OURS}/spare"),
]
