"""What the hub offers over HTTP: generations to fetch, and the agents' side of the conversation."""
