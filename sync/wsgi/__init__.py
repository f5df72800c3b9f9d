"""CouchDB's URLs over the stores of a folder, as a WSGI app."""

from sync.wsgi.access import admitted_by_security
from sync.wsgi.app import MAX_BODY_BYTES, CouchApp
from sync.wsgi.sessions import CookieSessions

__all__ = ["MAX_BODY_BYTES", "CookieSessions", "CouchApp", "admitted_by_security"]
