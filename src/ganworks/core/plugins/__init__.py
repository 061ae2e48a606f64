"""What others bring: installed plugins, and the modules and classes that a user names on the command line."""
