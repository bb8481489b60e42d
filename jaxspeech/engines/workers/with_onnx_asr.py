"""Transcribes with onnx-asr: a folder as `export_onnx` writes it, or a name that onnx-asr knows."""


def load(job):
    """Loads the model; see `serving.serve`."""
    import importlib.metadata
    import json
    import os

    import onnx_asr  # pyright: ignore[reportMissingImports]
    import onnxruntime

    folder = job["model"]
    if os.path.isdir(folder):
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            model = onnx_asr.load_model(json.load(file)["model_type"], folder)
    else:
        model = onnx_asr.load_model(folder)
    size = job["batch_size"]

    def transcribe(paths):
        return [text for i in range(0, len(paths), size) for text in model.recognize(paths[i : i + size])]

    device = "cuda" if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else "cpu"
    return transcribe, {"device": device, "version": importlib.metadata.version("onnx-asr")}


if __name__ == "__main__":
    from serving import serve  # pyright: ignore[reportMissingImports]

    serve(load)
