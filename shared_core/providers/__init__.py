"""Providers: one file a wire protocol, vendors as rows of a table. The only rooms that speak HTTP."""
