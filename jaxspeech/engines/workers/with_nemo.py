"""Transcribes with NeMo: a .nemo file, or a name on the Hub. Its search is that of the model's config."""


def load(job):
    """Loads the model; see `serving.serve`."""
    import importlib
    import logging
    import os

    import nemo  # pyright: ignore[reportMissingImports]
    from nemo.collections.asr.models import ASRModel  # pyright: ignore[reportMissingImports]

    logging.disable(logging.WARNING)
    torch = importlib.import_module("torch")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    known = ASRModel.restore_from if os.path.exists(job["model"]) else ASRModel.from_pretrained
    model = known(job["model"], map_location=device)
    model.eval()

    def transcribe(paths):
        found = model.transcribe(paths, batch_size=job["batch_size"], verbose=False, num_workers=0)
        found = found[0] if isinstance(found, tuple) else found
        return [getattr(one, "text", one) for one in found]

    return transcribe, {"device": device, "version": nemo.__version__}


if __name__ == "__main__":
    from serving import serve  # pyright: ignore[reportMissingImports]

    serve(load)
