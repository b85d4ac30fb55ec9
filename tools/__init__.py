"""The command line, settings and assembly: what people start. Everything below is told what it needs from here."""
