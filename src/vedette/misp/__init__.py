"""MISP's JSON and HTTP API: the only place that knows either.

Nothing here decides when to pull or what is wanted; that is for ``vedette.sources``.
"""
