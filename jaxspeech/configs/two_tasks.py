"""Learns two tasks from prompts: to transcribe English, and to translate it into Esperanto; with an attention decoder.

python -m pip install "jaxspeech[quickstart]"
python train.py --config=two_tasks
"""

from ml_collections import ConfigDict

from jaxspeech.configs import quickstart
from jaxspeech.configs.base import FASTCONFORMER, attention, with_prompts
from jaxspeech.configs.canary import special_tokens

LANGUAGES = ("en", "eo")
WIDTH = 144
DECODER = {
    "width": WIDTH,
    "num_layers": 2,
    "num_heads": 4,
    "hidden_width": 4 * WIDTH,
    "max_length": 256,
    "dropout": 0.1,
    "dropout_att": 0.0,
    "dropout_emb": 0.1,
}


def get_config() -> ConfigDict:
    config = quickstart.get_config()
    spec_augment = config.model.spec_augment
    # The prompt is no target.
    loss = {"label_smoothing": 0.1, "prompt": False, "ctc_weight": 0.3}
    config.model = attention(FASTCONFORMER | quickstart.ENCODER, decoder=DECODER, loss=loss)
    config.model.features.dither = 0.0
    config.model.spec_augment = spec_augment
    config = with_prompts(config, format="canary2", special=special_tokens(LANGUAGES, format="canary2"))
    config.tokenizer.vocab_size = 256
    config.data.prepare = "two_tasks"
    config.steps = 5000
    config.eval_every = config.checkpoint_every = 1000
    return config
