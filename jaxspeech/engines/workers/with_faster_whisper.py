"""Transcribes with faster-whisper, in batches of 30 s: a name (base) or a folder in the format of CTranslate2."""


def load(job):
    """Loads the model; see `serving.serve`."""
    import faster_whisper  # pyright: ignore[reportMissingImports]
    from serving import samples_of  # pyright: ignore[reportMissingImports]

    model = faster_whisper.WhisperModel(job["model"])
    batched = faster_whisper.BatchedInferencePipeline(model)
    options = {"batch_size": job["batch_size"], "language": job["language"] or None}

    def transcribe(paths):
        texts = []
        for path in paths:
            segments, _ = batched.transcribe(samples_of(path), **options)
            texts.append("".join(segment.text for segment in segments).strip())
        return texts

    return transcribe, {"device": model.model.device, "version": faster_whisper.__version__}


if __name__ == "__main__":
    from serving import serve  # pyright: ignore[reportMissingImports]

    serve(load)
