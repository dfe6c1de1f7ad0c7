"""The in-process language model `builtin`: rules and word lists, answering chat requests as a server would."""
