"""The verbs of the service and of the page in the browser."""
