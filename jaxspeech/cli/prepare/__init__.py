"""Fetches or converts a speech corpus: audio files, and a manifest for each part."""

CORPORA = "jaxspeech.cli.prepare.corpora"

VERBS = {
    "fsdd": (CORPORA, "spoken digits of six people (16 MB): data/fsdd/{train,dev,unheard}.jsonl"),
    "librispeech_mini": (CORPORA, "5.4 hours of LibriSpeech (fetches 6.4 GB): data/librispeech_mini/{train,dev}.jsonl"),
    "librispeech": (CORPORA, "LibriSpeech (61 GB): data/librispeech/{train-clean-100,...}.jsonl"),
    "quickstart": (CORPORA, "everyday sentences, spoken by eSpeak NG: data/quickstart/{train,dev}.jsonl"),
    "quickstart_open": (CORPORA, "such sentences with invented words: data/quickstart_open/"),
    "spoken_digits": (CORPORA, "digits, spoken by eSpeak NG: data/spoken_digits/train.jsonl"),
    "spoken_questions": (CORPORA, "sentences and questions about them, by eSpeak NG: data/spoken_questions/"),
    "quickstart_languages": (CORPORA, "sentences in English and Esperanto: data/quickstart_languages/"),
    "quickstart_en": (CORPORA, "the English half of quickstart_languages"),
    "quickstart_eo": (CORPORA, "the Esperanto half of quickstart_languages"),
    "two_tasks": (CORPORA, "the quickstart's sentences with Esperanto: data/two_tasks/{train,dev}.jsonl"),
    "voice": (CORPORA, "two hours of one speaker of eSpeak NG, for a voice: data/voice/{train,dev}.jsonl"),
    "readers": (
        CORPORA,
        "two hours of 24 speakers of eSpeak NG, for a text-to-mel model: data/readers/{train,dev}.jsonl",
    ),
    "conversations": ("jaxspeech.cli.prepare.conversations", "conversations of the speakers of a manifest, with RTTM"),
    "mixtures": ("jaxspeech.cli.prepare.mixtures", "noisy and clean files of the speech of a manifest"),
    "pseudo_labels": (
        "jaxspeech.cli.prepare.pseudo_labels",
        "a manifest to train on of the transcripts of one or two models",
    ),
    "records": ("jaxspeech.cli.prepare.records", "manifests to ArrayRecord files"),
    "speakers": ("jaxspeech.cli.prepare.speakers", "a corpus without some speakers, and trials among those"),
    "speech_activity": (
        "jaxspeech.cli.prepare.speech_activity",
        "labels of speech for each 20 ms of clean recordings",
    ),
    "speech_commands": (
        "jaxspeech.cli.prepare.speech_commands",
        "a folder with one folder for each class, like Speech Commands on your disk",
    ),
    "wakewords": ("jaxspeech.cli.prepare.wakewords", "clips of words with a class for all other sounds"),
    "tfds": ("jaxspeech.cli.prepare.tfds", "a dataset of TensorFlow Datasets to FLAC files and a manifest"),
    "voxceleb": ("jaxspeech.cli.prepare.voxceleb", "VoxCeleb 1 and 2 on your disk, with their lists of trials"),
    "voxlingua107": ("jaxspeech.cli.prepare.voxlingua107", "VoxLingua107 on your disk: languages"),
}
