"""A whole Silofrei on one machine: Kafka, Redis and our own processes, started, watched and stopped together."""
