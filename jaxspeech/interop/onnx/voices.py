"""The ONNX models of speakers and of frames, with the names and shapes of NeMo's own exports.

F features, C classes, E embedding; B and T are known at run time, T' = T / stride.

    speakers   audio_signal [B F T], length [B] -> logits [B C], embs [B E], not normalised
    frames     audio_signal [B F T], length [B] -> logits [B T' C], unnormalised, encoded_lengths [B]

NeMo's exports have no `length`: the results of theirs depend on the padding, those of ours do not.
"""

import dataclasses
import json
from typing import Any

import onnx

from jaxspeech.assets import Assets
from jaxspeech.interop.onnx.contents import Contents, other_features
from jaxspeech.interop.onnx.models import encoder_inputs
from jaxspeech.interop.onnx.translate import to_onnx
from jaxspeech.tasks.frame_classification import FrameClassifier
from jaxspeech.tasks.speaker import SpeakerModel
from jaxspeech.types import Variables

# sherpa-onnx reads these sizes of the features from the metadata.
READ = ("window_seconds", "hop_seconds")


def speaker_contents(model: SpeakerModel, assets: Assets) -> Contents:
    """The model of a folder that sherpa-onnx uses as a `SpeakerEmbeddingExtractor`."""
    del assets
    frontend = model.frontend

    def outputs(variables: Variables, features: Any, lengths: Any) -> Any:
        def forward(model: Any) -> Any:
            return model.classify(*model.encode_features(features.swapaxes(1, 2), lengths))

        return model.apply(variables, method=forward)

    def models(variables: Variables) -> dict[str, onnx.ModelProto]:
        metadata = {
            "framework": "nemo",
            "language": "any",  # it must not be empty
            "sample_rate": frontend.sample_rate,
            "output_dim": model.decoder.width,
            "feat_dim": frontend.num_features,
            "feature_normalize_type": "per_feature",
            "window_size_ms": round(1000 * frontend.window_seconds),
            "window_stride_ms": round(1000 * frontend.hop_seconds),
            "window_type": "hann",
        }
        types = {"logits": "float32", "embs": "float32"}
        inputs, _, _ = encoder_inputs(model)
        return {"model.onnx": to_onnx(outputs, variables, inputs, types, name="speaker", metadata=metadata)}

    return Contents(models, lambda: {}, other_features=other_features(frontend, free=READ))


def frame_contents(model: FrameClassifier, assets: Assets) -> Contents:
    """The model of a folder for a program that computes the features itself; its config.json says how."""

    def outputs(variables: Variables, features: Any, lengths: Any) -> Any:
        def forward(model: Any) -> Any:
            encoded, num_frames = model.encode_features(features.swapaxes(1, 2), lengths)
            return model.decoder(encoded, num_classes=model.num_classes), num_frames

        return model.apply(variables, method=forward)

    def models(variables: Variables) -> dict[str, onnx.ModelProto]:
        types = {"logits": "float32", "encoded_lengths": "int64"}
        inputs, _, _ = encoder_inputs(model)
        return {"model.onnx": to_onnx(outputs, variables, inputs, types, name="frames", metadata={})}

    def texts() -> dict[str, str]:
        names = assets["classes"].names if "classes" in assets else map(str, range(model.num_classes))
        config = {
            "classes": list(names),
            "multi_label": model.multi_label,
            "frame_seconds": model.frame_seconds,
            "features_size": model.frontend.num_features,
            "features": type(model.frontend).__name__,
            **_fields(model.frontend),
        }
        return {"config.json": json.dumps(config, indent=1)}

    return Contents(models, texts)


def _fields(frontend: Any) -> dict[str, Any]:
    """All settings of the features, of which None is derived from others; noise is added in training only."""
    names = [field.name for field in dataclasses.fields(frontend) if field.name not in ("name", "parent", "dither")]
    return {name: getattr(frontend, name) for name in names}
