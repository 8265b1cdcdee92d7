"""The second opinion: what a model elsewhere says of the texts that the local one is unsure about.

Owns: which texts may be asked about, what is blanked in them, the question, reading the answer, what becomes of both
views together; budget, breaker and the time that a batch waits. Refuses: HTTP (streams/opinion_endpoint.py).
"""
