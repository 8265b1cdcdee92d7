"""Composition roots and what runs Silofrei: the command line, the local system, the demo, Prometheus and Grafana.

Owns: building settings and wiring the parts. Refuses: decisions that belong to the parts.
"""
