"""The domain: classify, decide, queue.

Owns: the classifier, the policy, the queues in Redis and the metrics. Refuses: Kafka, Faust and HTTP.
"""
