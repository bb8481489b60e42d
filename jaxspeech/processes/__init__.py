"""Random processes between noisy and clean spectra, and the samplers that follow them with a network."""
