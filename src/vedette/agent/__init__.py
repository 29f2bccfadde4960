"""The program beside an engine: it pulls generations, brings them into force, proves, reports."""
