"""Trains a model: `jaxspeech train` in a checkout. The loop is in jaxspeech/train.py."""

from jaxspeech.cli.main import script

if __name__ == "__main__":
    script("train")
