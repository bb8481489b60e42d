"""Transcribes with a model of this package: .jaxspeech, .nemo, or a name on the Hub."""


def load(job):
    """Loads the model; see `serving.serve`."""
    import jax

    import jaxspeech

    model = jaxspeech.load(job["model"])

    def transcribe(paths):
        return [found.text for found in model.transcribe(paths, batch_size=job["batch_size"])]

    return transcribe, {"device": jax.devices()[0].platform, "version": jaxspeech.__version__}


if __name__ == "__main__":
    from serving import serve  # pyright: ignore[reportMissingImports]

    serve(load)
