"""What both nodes are made of: life cycle, parameters, QoS, diagnostics, a worker thread."""
