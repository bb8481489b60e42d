"""Who spoke when: turns of speakers, the files that hold them, and the clustering of embeddings into speakers."""
