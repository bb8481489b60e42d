"""Lists the .nemo files in the references whose classes can be read; NeMo's outputs are next to each."""

from pathlib import Path

from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.families import BY_CLASS
from jaxspeech.interop.nemo.sections.read import class_name
from tests.conftest import SHARED


def _class_of(path: Path) -> str:
    with NemoFile(path) as file:
        return class_name(file.config().get("target"))


_CLASSES = {
    path: _class_of(path)
    for folder in (SHARED / "peer" / "refs", Path(__file__).parent / "references")
    for path in sorted(folder.glob("*.nemo"))
}
# Name -> folder of the .nemo file and of NeMo's arrays and texts; empty if there are no references.
NEMO_FILES = {path.stem: path.parent for path, name in _CLASSES.items() if name in BY_CLASS}
RECOGNITION = ("ctc", "transducer", "hybrid")
# Those of recognition models, whose outputs `both_ways` compares.
RECOGNISERS = {
    path.stem: path.parent for path, name in _CLASSES.items() if name in BY_CLASS and BY_CLASS[name].task in RECOGNITION
}
