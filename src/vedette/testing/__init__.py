"""A MISP server and Suricata for tests: fakes with real sockets, and the real engine."""
