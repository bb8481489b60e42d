"""The command `jaxspeech VERB`: one file per verb, each listed by one line of `main.VERBS`."""
