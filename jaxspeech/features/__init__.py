"""Waveforms to feature frames, and the masking that augments them: log-mel, MFCC, SpecAugment."""
