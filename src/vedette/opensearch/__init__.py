"""A place to hunt in, read-only: Suricata events in an existing OpenSearch or Elasticsearch."""
