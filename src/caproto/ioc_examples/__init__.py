"""IOCs to run and to learn from: ``python3 -m caproto.ioc_examples.random_walk --list-pvs``."""
