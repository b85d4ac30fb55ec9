"""`make bench`: filmcan beside a stock WebDAV server, on the same disk, in one run.

Numbers are shown, never asserted.
"""
