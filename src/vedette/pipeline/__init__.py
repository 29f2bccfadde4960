"""The only place that wires stages: each module is one job of the hub."""
