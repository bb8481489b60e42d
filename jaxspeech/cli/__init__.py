"""The command `jaxspeech VERB`: one file a verb, each entered by one line of `main.VERBS`."""
