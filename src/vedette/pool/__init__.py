"""The network's memory: sightings and observations, embedded (chDB) or on a ClickHouse cluster."""
