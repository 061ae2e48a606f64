"""What a setting may be: declared with its field, checked and converted in one place each, written as JSON Schema."""
