"""Real WebDAV programs, and what other programs were recorded to say, against one running server.

`programs/` drives cadaver, curl, davfs2, gvfs, rclone and three libraries through one small interface, so
`test_matrix.py` tells every one of them the same story. `recorded/` holds conversations of clients that cannot run
here (Finder, Explorer, Office, players, phones); `replay.py` sends them byte for byte.
"""
