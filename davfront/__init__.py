"""WebDAV spoken over `views`: an HTTP server, a WSGI application, and what single clients need."""
