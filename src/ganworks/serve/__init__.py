"""The HTTP service: trained networks for other programs. Needs the extra `serve`.

`engine` owns the models and runs them, `app` speaks HTTP; what a request asks for is one of the types of `asks`,
whichever protocol it came by. No other package imports this one but `studio` and the command line.
"""
