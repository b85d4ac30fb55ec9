"""The methods of WebDAV, one function each: `(Share, Request) -> Response`.

    response.py   what a method answers, and how errors become answers
    share.py      what all methods need: the Library, locks, buffers; who may write what now
    read.py       GET, HEAD
    find.py       OPTIONS, PROPFIND
    write.py      PUT
    tree.py       MKCOL, DELETE, COPY, MOVE
    lock.py       LOCK, UNLOCK

PROPPATCH is wsgidav's (`davfront/resources.py`), as is the refusal of what nobody knows.
"""
