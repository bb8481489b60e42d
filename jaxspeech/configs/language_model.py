"""Trains a language model on lines of text, to help a recogniser with the same tokenizer.

    jaxspeech train --config=language_model --config.tokenizer.path=asr.jaxspeech --workdir=runs/lm \
        --config.data.train=corpus.txt --config.data.eval.dev=dev.txt
    jaxspeech train --config=language_model:lstm                        # long short-term memory instead

The texts are files with one on each line, or manifests with a "text"; several, with weights, as in docs/data.md.
Without `tokenizer.path`, a tokenizer is trained on the texts. Scores: the perplexity per token and per word, both with
the end of each text.

The default is small: a step takes milliseconds on a CPU. For a large corpus and a GPU, set config.model.decoder.width,
num_layers and hidden_width, and more steps.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import any_type, base_config, pick

DECODERS = {
    "transformer": {
        **{"name": "transformer", "vocab_size": 0, "width": 128, "num_layers": 2, "num_heads": 4},
        **{"hidden_width": 512, "context": 128, "dropout": 0.1, "dropout_att": 0.1, "dropout_emb": 0.1},
        "dtype": "float32",
    },
    "lstm": {
        **{"name": "lstm", "vocab_size": 0, "width": 192, "num_layers": 1, "cell_width": any_type(None)},
        **{"dropout": 0.2, "dtype": "float32"},
    },
}


def get_config(kind: str = "transformer") -> ConfigDict:
    config = base_config()
    decoder = pick(DECODERS, kind, recipe="language_model")
    config.model = ConfigDict({"task": "language_model", "decoder": decoder, "loss": {"label_smoothing": 0.0}})
    config.loss_reduction = "mean_volume"  # every token counts the same

    config.data.train = any_type("train.txt")
    config.data.eval = {"dev": "dev.txt"}
    config.data.max_tokens = 256  # longer texts are not trained on
    config.data.buckets = any_type(4)  # the number of padded lengths of batches, or the lengths in tokens
    config.data.batch_seconds = 2048.0  # here: padded tokens in a batch
    config.data.batch_size = 128
    config.data.eval_batch_size = 128

    config.optimizer.learning_rate = 3e-3
    config.optimizer.weight_decay = 1e-2
    config.average_decay = 0.99
    config.steps = 2_000
    config.eval_every = config.checkpoint_every = 500
    return config
