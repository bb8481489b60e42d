"""From recordings to transcripts: find, read ahead, batch, compile, write."""
