"""The ways in: each connector wraps native deliveries, byte for byte, and produces them to `mentions.raw`.

Owns: one module per way in. Refuses: reading what a delivery says; the channels' parsers do that, behind Kafka.
"""
