"""The desk: the pages and the API for departments and leadership.

Owns: HTTP and what people see. Refuses: Kafka; it changes tickets only through routing's queue.
"""
