"""TensorBoard's events and the history: what is written, and what a resumed run discards."""

import numpy as np
from tensorboardX.proto.event_pb2 import Event

from jaxspeech.report.picture import png
from jaxspeech.training.metrics_log import MetricsLog


def events(folder):
    """Every event in a folder: length [8], its checksum [4], data, checksum [4]."""
    for path in sorted(folder.glob("tensorboard/events*")):
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            yield Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]


def test_scalars_pictures_texts_and_histograms_are_written(tmp_path):
    picture = png(np.zeros((4, 6, 3), np.uint8))
    with MetricsLog(tmp_path, step=0) as board:
        board.scalars("train", {"loss": 2.5, "rate": np.float32(0.5)}, 3)
        board.picture("dev/0", picture, 3)
        board.words("dev/0", "said", 3)
        board.histograms("parameters", {"a": {"kernel": np.arange(6.0)}, "b": np.array([np.nan])}, 3)
        assert board.history == [{"step": 3, "train/loss": 2.5, "train/rate": 0.5}]
    values = {value.tag: value for event in events(tmp_path) for value in event.summary.value}
    assert values["train/loss"].simple_value == 2.5
    image = values["dev/0"].image
    assert (image.width, image.height, image.encoded_image_string) == (6, 4, picture)
    assert values["parameters/a/kernel"].histo.num == 6 and "parameters/b" not in values
    assert any("said" in str(value) for tag, value in values.items() if "text" in tag)


def test_entries_after_the_last_checkpoint_are_discarded(tmp_path):
    with MetricsLog(tmp_path, step=0) as board:
        for step in range(5):
            board.scalars("train", {"loss": float(step)}, step)
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"step": 5, "tra')  # killed in the middle of a line
    with MetricsLog(tmp_path, step=2) as board:
        board.scalars("train", {"loss": 7.0}, 3)
        assert [(e["step"], e["train/loss"]) for e in board.history] == [(0, 0), (1, 1), (2, 2), (3, 7)]
