"""Documents that travel: revision trees, the CouchDB protocol, one replicator. Knows no document types."""
