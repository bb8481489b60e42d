"""Recognises read English at 8 kHz, by characters: what configs/fsdd_tuned.py starts from.

    jaxspeech prepare librispeech_mini                    # data/librispeech_mini
    python train.py --config=configs/fsdd_base.py

Manifests are data/{librispeech_mini,speechocean762_adult}/train.jsonl, and data/librispeech_mini/dev.jsonl for the
score: some 130 speakers, none of whom speaks the digits. --config.data_dir=FOLDER sets a different folder,
--config.data.train=MANIFEST other speech.

The encoder is that of configs/fsdd.py. Alone, read speech is slow to learn from: for hundreds of steps a CTC model
predicts nothing but blanks. So half of it is the quickstart's sentences by eSpeak NG (extra "quickstart"), which are
easy, and lead the way.

A step takes 0.42 s of processor time on a fast machine and 1.1 s on a slow one (an AMD EPYC without AVX-512); a single
run hardly keeps two cores busy. Its 4,000 steps took 33 minutes of two cores of the slow one, beside the compilation of
other programs. Read English is still hard for it then: 94.2 % WER on dev after 2,000 steps, which are kept, and 95.9 %
at the end, though what it writes begins to sound like what was said.
"""

from ml_collections import ConfigDict

from jaxspeech.configs import fsdd


def get_config() -> ConfigDict:
    config = fsdd.get_config()
    for name in ("dropout", "dropout_pre_encoder", "dropout_att"):
        config.model.encoder[name] = 0.0
    config.model.encoder.remat = "none"
    config.model.encoder.scan_layers = False  # four small layers: a fifth less time, and 10 s more to compile
    config.model.spec_augment = {"freq_masks": 2, "freq_width": 6, "time_masks": 4, "time_width": 0.05}
    config.tokenizer.type = "char"

    folder = config.get_ref("data_dir")
    config.data.train = folder + "/{librispeech_mini,speechocean762_adult}/train.jsonl"
    config.data.eval = {"dev": folder + "/librispeech_mini/dev.jsonl"}
    config.data.prepare = "quickstart"
    config.data.buckets = 3
    config.data.batch_seconds = 64.0
    config.data.batch_size = 64
    config.augment.speed = (0.84, 0.92, 1.0, 1.08, 1.16)
    config.augment.pad_seconds = config.augment.crop_seconds = 0.0
    config.augment.white_noise = {"snr_db": (10.0, 45.0), "probability": 0.5}

    config.optimizer.learning_rate = 4e-3
    config.steps = 4_000
    config.choose = "best"
    return config
