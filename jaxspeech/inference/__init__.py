"""Between a recording and its transcript: find, read ahead, batch, compile, write down."""
