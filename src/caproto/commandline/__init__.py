"""The commands, one module each; every one has a ``main(argv=None)``."""
