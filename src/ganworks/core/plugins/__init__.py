"""The declaration of a kind, installed plugins, and the modules and classes that a user names."""
