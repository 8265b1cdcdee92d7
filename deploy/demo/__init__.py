"""The demo: a made-up company's feed, simulated people who work on its tickets, and the sum at the end.

Everything else that runs in the demo is the product itself.
"""
