"""Text that people write: its lines, its words, and what a word may be. Pure, no lists, no I/O."""
