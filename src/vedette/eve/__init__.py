"""What the engine says: lines of eve.json, exactly once, and the values in them."""
