"""Prometheus beside Silofrei: configuration, rules and alerts as files, and the targets that `silofrei up` writes."""
