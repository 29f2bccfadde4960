"""The sensor side: install a release, push it to the engine, prove that it holds it, diagnose it.

Files first, then the socket, then the proof. Nothing here needs the hub's store.
"""
