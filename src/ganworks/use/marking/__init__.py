"""What is done to files beyond their note: watermarks, signatures, and the notes that lie beside them."""
