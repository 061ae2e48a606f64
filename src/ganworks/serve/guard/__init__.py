"""Keeps harm away from the application: connections that waste it, bodies that fill it, browsers that are tricked.

`listen` opens the sockets, `protocol` guards connections below HTTP, the others are ASGI middleware: plain callables,
as middleware that wraps requests in objects breaks streams and hides that a client has gone.
"""
