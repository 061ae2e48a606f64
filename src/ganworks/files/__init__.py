"""Files of every medium: finding, reading, writing and packing them, and notes of provenance inside them."""
