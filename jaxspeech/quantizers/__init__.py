"""Quantizers: from vectors to the numbers of a finite set, and back."""
