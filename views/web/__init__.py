"""The HTTP API and its pages, over a Library. Door: `views.web.app.make_app`."""
