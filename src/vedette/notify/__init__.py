"""Telling people what needs them: messages out of news, and the way they go."""
