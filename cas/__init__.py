"""Bytes by digest: blobs, the journal, the index, and the one ritual that makes changes last. Door: `cas.store.Store`."""
