"""The shortest program of each client that reads one PV: for the cold start."""
