"""The version, in the one place where the build and the notebooks read it."""

VERSION = "0.1.0"
