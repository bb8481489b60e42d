"""Transcribes live recordings of several speakers: a stream for each speaker who is active, all in one batched call.

conversations = Conversations(streams)
meeting = conversations.open("meeting")
meeting.push(samples, activity)            # as they come; the activity of a frame may come later than its samples
while meeting.ready: conversations.step()
print(meeting.hypotheses)

A speaker's stream opens with his first active frame, a second of audio before it included, and ends when he has been
quiet for a while; it opens again when he returns. So the cost is that of the speakers who speak.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxspeech.errors import AudioError
from jaxspeech.inference.activity import ACTIVE, activity_of_speaker
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.speaker_streams import SpeakerStream, SpeakerStreams

# Audio before a speaker's first active frame, which the model hears too.
BEFORE_SECONDS = 1.0
# A speaker who has not been active for so long has stopped.
QUIET_SECONDS = 2.0


class Conversation:
    """One live recording of several speakers.

    Args:
      streams: of all conversations.
      name: of the recording.
      quiet_seconds: how long a speaker must be quiet until his stream ends; None: all speakers have streams from the
        first frame to the last, which gives the transcripts of the whole recording.
    """

    def __init__(self, streams: SpeakerStreams, name: str, quiet_seconds: float | None):
        self.name = name
        self._streams, self._quiet_seconds = streams, quiet_seconds
        self._frame = round(streams.form.frame_seconds * streams.form.sample_rate)  # samples
        self._samples = np.zeros(0, np.float32)
        self._activity: Float[np.ndarray, "M S"] | None = None
        self._first = 0  # the frame at which both begin
        self._next = 0  # the first frame that no stream has
        self._open: dict[int, SpeakerStream] = {}
        self._heard: dict[int, int] = {}  # the frame after the last active one of each speaker
        self._said: dict[int, list[Hypothesis]] = {}
        self._ended = False

    @property
    def hypotheses(self) -> dict[int, Hypothesis]:
        """What each speaker has said so far, by number; of those who have said something."""
        found = {}
        for speaker in sorted({*self._said, *self._open}):
            parts = [*self._said.get(speaker, ())]
            if speaker in self._open:
                parts.append(self._open[speaker].hypothesis)
            if any(part.text for part in parts):
                seconds = self._next * self._streams.form.frame_seconds
                found[speaker] = joined(parts, source=self.name, duration=seconds)
        return found

    def push(self, samples: Float[np.ndarray, " N"], activity: Float[np.ndarray, "M S"]) -> None:
        """Takes the next samples, at the model's rate, and the activity of the next frames, of any number.

        Raises:
          AudioError: the conversation has ended, or the number of speakers has changed.
        """
        if self._ended:
            raise AudioError(f"{self.name}: the conversation has ended; open a new one")
        activity = np.asarray(activity, np.float32)
        if self._activity is None:
            self._activity = activity
        elif activity.shape[1:] != self._activity.shape[1:]:
            known, given = self._activity.shape[1], activity.shape[1:]
            raise AudioError(f"{self.name}: activity of {known} speakers before, and of {given} now")
        else:
            self._activity = np.concatenate([self._activity, activity])
        self._samples = np.concatenate([self._samples, np.asarray(samples, np.float32)])

    def end(self) -> None:
        """Marks the end; the next steps process the rest."""
        self._ended = True

    @property
    def _available(self) -> int:
        """Frames whose samples and activity have come and that no stream has."""
        if self._activity is None:
            return 0
        frames = len(self._samples) // self._frame
        if self._ended:
            return -(-len(self._samples) // self._frame) - (self._next - self._first)
        return min(frames, len(self._activity)) - (self._next - self._first)

    @property
    def ready(self) -> bool:
        """Whether a step would process frames of it."""
        if any(stream.ready for stream in self._open.values()):
            return True
        return self._available >= self._streams.step_frames or (self._ended and not self.done)

    @property
    def done(self) -> bool:
        """Whether it has ended and all its frames are processed."""
        return self._ended and self._available <= 0 and not self._open

    def advance(self) -> None:
        """Gives the frames of the next step to the speakers' streams, of which it opens and ends some."""
        count = min(self._available, self._streams.step_frames)
        activity = self._activity
        if activity is not None and count > 0 and (count == self._streams.step_frames or self._ended):
            if (missing := self._next - self._first + count - len(activity)) > 0:
                way = "edge" if len(activity) else "constant"
                self._activity = activity = np.pad(activity, ((0, missing), (0, 0)), way)
            new = activity[self._next - self._first :][:count] > ACTIVE
            for speaker in range(activity.shape[1]):
                self._give(speaker, new[:, speaker], count)
            self._next += count
        if self._ended and self._available <= 0:
            for speaker, stream in self._open.items():
                if activity is not None:  # an encoder may give a frame more than there are whole ones in the audio
                    stream.push_activity(activity_of_speaker(activity[self._next - self._first :], speaker))
                stream.end()
        self._forget()

    def _give(self, speaker: int, active: np.ndarray, count: int) -> None:
        if active.any():
            self._heard[speaker] = self._next + int(np.flatnonzero(active)[-1]) + 1
        stream, begin = self._open.get(speaker), self._next
        if stream is None and (active.any() or self._quiet_seconds is None) and self._streams.free:
            begin = max(self._next - self._frames_before, self._first)
            offset = begin * self._streams.form.frame_seconds
            stream = self._open[speaker] = self._streams.open(self.name, offset=offset)
        if stream is None:
            return
        here = slice(begin - self._first, self._next - self._first + count)
        assert self._activity is not None
        stream.push_activity(activity_of_speaker(self._activity[here], speaker))
        stream.push(self._samples[here.start * self._frame : here.stop * self._frame])
        quiet = (self._next + count - self._heard.get(speaker, 0)) * self._streams.form.frame_seconds
        if self._quiet_seconds is not None and quiet >= self._quiet_seconds:
            stream.end()

    @property
    def _frames_before(self) -> int:
        """A whole number of steps, so that all streams of a conversation have their steps at the same time."""
        step = self._streams.step_frames
        return -(-round(BEFORE_SECONDS / self._streams.form.frame_seconds) // step) * step

    def _forget(self) -> None:
        """Drops what no stream will need."""
        dropped = max(self._next - self._frames_before - self._first, 0)
        if self._activity is not None:
            self._activity = self._activity[dropped:]
        self._samples, self._first = self._samples[dropped * self._frame :], self._first + dropped

    def collect(self) -> None:
        """Keeps what the streams that are done have found."""
        for speaker, stream in list(self._open.items()):
            if stream.done:
                self._said.setdefault(speaker, []).append(stream.hypothesis)
                del self._open[speaker]


class Conversations:
    """Live recordings that are stepped together.

    Args:
      streams: with room for all speakers who are active at the same time.
    """

    def __init__(self, streams: SpeakerStreams):
        self.form = streams.form
        self._streams = streams
        self._open: list[Conversation] = []

    def open(self, name: str = "conversation", *, quiet_seconds: float | None = QUIET_SECONDS) -> Conversation:
        """Opens a conversation; see `Conversation`."""
        self._open.append(Conversation(self._streams, name, quiet_seconds))
        return self._open[-1]

    def step(self) -> Sequence[Conversation]:
        """Runs a step of all conversations that have enough audio and activity; returns them."""
        ready = [conversation for conversation in self._open if conversation.ready]
        for conversation in ready:
            conversation.advance()
        while self._streams.step():
            pass
        for conversation in ready:
            conversation.collect()
        self._open = [conversation for conversation in self._open if not conversation.done]
        return ready


def joined(parts: Sequence[Hypothesis], *, source: str, duration: float) -> Hypothesis:
    """Joins the parts of one speaker's speech, in order, to that of the whole recording."""
    said = [part for part in parts if part.text]
    tokens = sum((part.tokens for part in said), ())
    sure = sum(part.confidence * len(part.tokens) for part in said) / max(len(tokens), 1)
    return Hypothesis(
        text=" ".join(part.text for part in said),
        score=sum(part.score for part in parts),
        tokens=tokens,
        confidence=sure,
        duration=duration,
        source=source,
        words=sum((part.words or () for part in said), ()),
        segments=sum((part.segments or () for part in said), ()),
        chars=sum((part.chars or () for part in said), ()),
        timing="frames",
    )
