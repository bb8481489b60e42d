"""Measures speed and memory: `python -m benchmarks` prints one JSON line per case.

Names, sizes and keys are those common in benchmarks of speech toolkits: `what`, `median_s`, `RTFx` (seconds of audio
per second), `peak_rss_mib`, ... Weights are random and audio is noise; nothing is downloaded.
"""
