"""The classifier: which department must act, with calibrated scores, the words that decided, or an abstention.

Owns: texts to probabilities. Refuses: what follows from them (routing/policy.py). Answering needs numpy alone.
"""
