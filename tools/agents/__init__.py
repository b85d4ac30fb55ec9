"""Processes that run beside a server, often on another machine, and work for it over HTTP."""
