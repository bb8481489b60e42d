"""Fine-tunes a trained model on a manifest, from Python.

    python examples/fine_tune.py model.jaxspeech train.jsonl dev.jsonl runs/mine

The same from the command line:

    jaxspeech train --config=finetune:model.jaxspeech --workdir=runs/mine --config.steps=20 \
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl
"""

import sys
from pathlib import Path

import jaxspeech
from jaxspeech.configs import finetune
from jaxspeech.train import train


def main(model: str, train_manifest: str, dev_manifest: str, workdir: str, *, steps: int = 20) -> None:
    # A recipe is a function that returns a config; this one reads the model's fields and tokenizer from the file.
    config = finetune.get_config(model)
    config.data.train = train_manifest
    config.data.eval = {"dev": dev_manifest}

    # Tiny settings for a quick demonstration. The recipe's defaults suit half an hour to a few hours of speech.
    config.steps = steps
    config.eval_every = config.checkpoint_every = steps // 2
    config.log_every = 1
    config.data.buckets = 1  # one padded length, so one program to compile
    config.data.batch_size = 4
    config.augment.speed = (1.0,)
    config.optimizer.learning_rate = 1e-3
    config.freeze = ("^encoder/",)  # patterns of parameter names: only the decoder is trained

    # Started again with the same workdir, it resumes after the last checkpoint.
    Path(workdir).mkdir(parents=True, exist_ok=True)
    train(config, Path(workdir))

    # The best model is one file with its tokenizer; report.html beside it shows its transcripts of the dev set.
    asr = jaxspeech.load(Path(workdir) / "model.jaxspeech")
    print([hyp.text for hyp in asr.transcribe(dev_manifest)])


if __name__ == "__main__":
    main(*sys.argv[1:])
