"""One module a command: options in, a pipeline of `experiments` called, a result printed."""
