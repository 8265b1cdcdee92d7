"""Kafka: topics, the worker, the relay, dead letters, the ledger and the channels' parsers.

Owns: everything that reads or writes a topic. Refuses: decisions (routing makes them) and HTTP.
"""
