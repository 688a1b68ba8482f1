"""The sub-commands of ``om3d``, one a file; each has ``main(argv) -> exit status``."""
