"""All code in the documentation, run."""
