"""Turns recordings into the ids of a neural codec, and ids into recordings."""

VERBS = {
    "encode": ("jaxspeech.cli.codec.encode", "write the ids of recordings"),
    "decode": ("jaxspeech.cli.codec.decode", "write the recordings of ids"),
}
