"""Transcribes with openai-whisper, one recording after the other, as it has no batches: a name (base) or a .pt file."""


def load(job):
    """Loads the model; see `serving.serve`."""
    import importlib.metadata
    import os

    import whisper  # pyright: ignore[reportMissingImports]
    from serving import samples_of  # pyright: ignore[reportMissingImports]

    model = whisper.load_model(job["model"])
    cached = os.path.join(os.path.expanduser("~"), ".cache", "whisper", f"{job['model']}.pt")
    options = {"fp16": model.device.type == "cuda", "language": job["language"] or None}

    def transcribe(paths):
        return [model.transcribe(samples_of(path), **options)["text"].strip() for path in paths]

    facts = {"device": model.device.type, "version": importlib.metadata.version("openai-whisper")}
    return transcribe, {**facts, "files": cached if os.path.exists(cached) else job["model"]}


if __name__ == "__main__":
    from serving import serve  # pyright: ignore[reportMissingImports]

    serve(load)
