"""The ONNX models of a recogniser, with the names, shapes and dtypes of NeMo's own exports.

F features, D encoder width, H width and L layers of the prediction network, W outputs; B and T are known at run time.

    CTC            audio_signal [B F T], length [B] -> logprobs [B T W], encoded_lengths [B]
    encoder        audio_signal [B F T], length [B] -> outputs [B D T], encoded_lengths [B]
    decoder        targets [B 1], target_length [B], input_states_1, input_states_2 [L B H]
                   -> outputs [B J 1], prednet_lengths [B], output_states_1, output_states_2
    joiner         encoder_outputs [B D T], decoder_outputs [B J 1] -> outputs [B T 1 W], unnormalised
    decoder_joint  encoder_outputs and the decoder's inputs -> the decoder's outputs, with the joiner's `outputs`

The prediction network's first target is the blank; its second state is wider than the first if it is projected.
"""

from typing import Any

import jax
import onnx
from jax.export import symbolic_shape

from jaxspeech.interop.onnx.translate import Port, to_onnx
from jaxspeech.tasks.hybrid import HybridModel
from jaxspeech.types import Variables

DECODED = {
    "outputs": "float32",
    "prednet_lengths": "int32",
    "output_states_1": "float32",
    "output_states_2": "float32",
}


def ctc_models(model: Any, variables: Variables, metadata: dict[str, Any]) -> dict[str, onnx.ModelProto]:
    """Translates the encoder with the CTC head of a CTC or hybrid model; returns file name -> model."""
    inputs, _, _ = encoder_inputs(model)
    head = "ctc_head" if isinstance(model, HybridModel) else "decoder"

    def logprobs(variables: Variables, features: Any, lengths: Any) -> tuple[Any, Any]:
        def forward(model: Any) -> tuple[Any, Any]:
            encoded, num_frames = model.encode_features(features.swapaxes(1, 2), lengths)
            return jax.nn.log_softmax(getattr(model, head)(encoded)), num_frames

        return model.apply(variables, method=forward)

    outputs = {"logprobs": "float32", "encoded_lengths": "int64"}
    return {"model.onnx": to_onnx(logprobs, variables, inputs, outputs, name="ctc", metadata=metadata)}


def transducer_models(model: Any, variables: Variables, metadata: dict[str, Any]) -> dict[str, onnx.ModelProto]:
    """Translates an RNN-T or TDT whose prediction network is an LSTM; returns file name -> model."""
    decoder = model.decoder

    def apply(variables: Variables, *inputs: Any, method: str) -> Any:
        return decoder.apply({"params": variables["params"]["decoder"]}, *inputs, method=method)

    def encode(variables: Variables, features: Any, lengths: Any) -> tuple[Any, Any]:
        encoded, num_frames = model.apply(variables, features.swapaxes(1, 2), lengths, method="encode_features")
        return encoded.swapaxes(1, 2), num_frames

    def decode(variables: Variables, targets: Any, target_length: Any, hidden: Any, cell: Any) -> tuple[Any, ...]:
        state = type(decoder.initial_state(1))(hidden.swapaxes(0, 1), cell.swapaxes(0, 1))
        predicted, state = apply(variables, targets[:, 0], state, method="predict")
        return predicted[:, :, None], target_length, *(part.swapaxes(0, 1) for part in state)

    def join(variables: Variables, encoded: Any, predicted: Any) -> tuple[Any]:
        projected = apply(variables, encoded.swapaxes(1, 2), method="project")
        return (apply(variables, projected[:, :, None], predicted.swapaxes(1, 2)[:, None], method="logits"),)

    def decode_and_join(variables: Variables, encoded: Any, *inputs: Any) -> tuple[Any, ...]:
        predicted, *rest = decode(variables, *inputs)
        return *join(variables, encoded, predicted), *rest

    inputs, batch, time = encoder_inputs(model)
    encoded = Port("float32", (batch, model.encoder.output_dim, time))
    hidden, cell = (Port("float32", (decoder.num_layers, batch, part.shape[-1])) for part in decoder.initial_state(1))
    labels = {"targets": Port("int32", (batch, 1)), "target_length": Port("int32", (batch,))}
    labels |= {"input_states_1": hidden, "input_states_2": cell}
    predicted = Port("float32", (batch, decoder.joint_width, 1))
    whole, sides = {"encoder_outputs": encoded} | labels, {"encoder_outputs": encoded, "decoder_outputs": predicted}
    outputs = {"outputs": "float32", "encoded_lengths": "int64"}
    parts = {
        "encoder-model.onnx": ("encoder", encode, inputs, outputs),
        "decoder_joint-model.onnx": ("decoder_joint", decode_and_join, whole, DECODED),
        "decoder.onnx": ("decoder", decode, labels, DECODED),
        "joiner.onnx": ("joiner", join, sides, {"outputs": "float32"}),
    }
    return {
        file: to_onnx(function, variables, inputs, outputs, name=name, metadata=metadata)
        for file, (name, function, inputs, outputs) in parts.items()
    }


def encoder_inputs(model: Any) -> tuple[dict[str, Port], Any, Any]:
    """The inputs of an encoder, and the symbols for its batch and time."""
    # Long enough for one output frame, so that JAX can tell that there is one.
    batch, time = symbolic_shape("batch, time", constraints=[f"time >= {model.encoder.total_factor}"])
    features = Port("float32", (batch, model.frontend.num_features, time))
    return {"audio_signal": features, "length": Port("int64", (batch,))}, batch, time
