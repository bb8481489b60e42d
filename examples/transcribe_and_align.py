"""Transcribes a recording, then finds when each word of its correct text was spoken.

    python examples/transcribe_and_align.py model.jaxspeech talk.wav "What was actually said."

The model is a .jaxspeech or .nemo file, or a name on the Hugging Face Hub; aligning needs a CTC head.
"""

import sys

import jaxspeech


def main(model: str, audio: str, text: str) -> None:
    asr = jaxspeech.load(model)

    # Many recordings are transcribed at once: give a list of paths, arrays, folders or manifests. One bad file among
    # them raises an error, or with on_error="skip" becomes a hypothesis with `error`.
    [heard] = asr.transcribe(audio, timestamps=True)
    print(f"{heard.source}: {heard.duration:.2f} s, confidence {heard.confidence:.2f}")
    print(f"heard: {heard.text}")
    for word in heard.words or ():
        print(f"  {word.start:6.2f} {word.end:6.2f}  {word.text}")

    # Finds the best path that spells the given text: its times are right even where the transcript is wrong.
    [aligned] = asr.align(audio, text)
    print(f"given: {aligned.text}")
    for word in aligned.words or ():
        print(f"  {word.start:6.2f} {word.end:6.2f}  {word.text}  (confidence {word.confidence:.2f})")


if __name__ == "__main__":
    main(*sys.argv[1:])
