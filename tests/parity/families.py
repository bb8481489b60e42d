"""The peer's models that the references hold."""

from pathlib import Path

from tests.conftest import SHARED

# Family -> the folder of its .nemo file, its arrays and texts; empty where there are no references.
FAMILIES = {
    path.stem: path.parent
    for folder in (SHARED / "peer" / "refs", Path(__file__).parent / "references")
    for path in sorted(folder.glob("*.nemo"))
}
