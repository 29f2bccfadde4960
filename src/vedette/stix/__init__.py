"""STIX 2.0 and 2.1: objects and patterns -> items. Pure: bytes in, items out."""
