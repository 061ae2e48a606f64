"""One folder for each kind of data, with everything that is particular to it; found by walking (`core.registry`)."""
