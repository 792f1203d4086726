"""IOCs in the style of the original's documentation: they are to run without an edit."""
