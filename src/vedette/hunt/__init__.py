"""New indicators against the past: what to look for, and what the answer means. No I/O."""
