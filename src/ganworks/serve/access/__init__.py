"""Who may ask the service for what, and how much of it.

`keys` says what a key is, `store` keeps them, `buckets` counts what they do, `ticket` is the record of one request, and
`middleware` lets requests in. `metered` is the engine as a caller may use it. `audit` keeps a line for each request.
"""
