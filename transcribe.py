"""Transcribes recordings: `jaxspeech transcribe` in a checkout."""

from jaxspeech.cli.main import script

if __name__ == "__main__":
    script("transcribe")
