"""Names on bytes: one tree of names for each source, projects, jobs, pages. Door: `views.library.Library`."""
