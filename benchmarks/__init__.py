"""How fast the measured paths are: `python -m benchmarks` prints one JSON line per case.

The names, sizes and keys are those of the usual measurements of speech toolkits: `what`, `median_s`, `RTFx`
(seconds of audio per second), `peak_rss_mib`, ... Weights are random and audio is noise; nothing is downloaded.
"""
