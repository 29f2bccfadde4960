"""Who may say which generation is wanted: keys, signatures, and how one key follows another."""
