"""One command a file. Each has a function `command` that click made; `tools/cli.py` finds it by name."""
