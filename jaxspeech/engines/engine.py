"""The recognisers that can be run beside each other, and what it takes to run each of them."""

from typing import NamedTuple


class Engine(NamedTuple):
    """A recogniser.

    Attributes:
      worker: its script in `workers/`.
      module: that its environment must have; "" if it needs none.
      packages: that are installed for it, with their extras; what they need counts too.
    """

    worker: str
    module: str
    packages: tuple[str, ...]


ENGINES = {
    "jaxspeech": Engine("with_jaxspeech.py", "jaxspeech", ("jaxspeech",)),
    "onnx-asr": Engine("with_onnx_asr.py", "onnx_asr", ("onnx-asr", "onnxruntime", "onnxruntime-gpu")),
    "openai-whisper": Engine("with_openai_whisper.py", "whisper", ("openai-whisper",)),
    "faster-whisper": Engine("with_faster_whisper.py", "faster_whisper", ("faster-whisper",)),
    "nemo": Engine("with_nemo.py", "nemo", ("nemo_toolkit[asr]", "nemo_toolkit[core,common-only,asr-only]")),
    "command": Engine("with_command.py", "", ()),
}
