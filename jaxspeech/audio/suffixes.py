"""Lists what the names of recordings end in: how they are found in folders and in tar files."""

_WITHOUT_FFMPEG = (
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".fla", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mpga"),
    *(".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".sph", ".nist", ".voc", ".gsm"),
)
# Where ffmpeg is not installed, each of these gets a line that says so.
_WITH_FFMPEG = (
    *(".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".aac", ".3gp", ".3g2", ".amr", ".awb", ".webm", ".mka", ".mkv"),
    *(".wma", ".asf", ".wmv", ".avi", ".flv", ".ac3", ".eac3", ".ape", ".wv", ".tta", ".spx"),
)
AUDIO_SUFFIXES = (*_WITHOUT_FFMPEG, *_WITH_FFMPEG)
