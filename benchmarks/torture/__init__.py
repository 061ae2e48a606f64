"""Attacks on runs, files and commands: how many were tried, and how many were survived, class by class.

Each module of this folder that has a NAME is a class of attacks (`run` finds them by walking the folder):

    NAME = "kill-chains"                    # as it is called on the command line
    def tries() -> Iterable[Case]: ...      # all its cases, plain JSON values, in the same order every time
    def run(case) -> str | None: ...        # None: survived; else one sentence that says what went wrong

A case decides everything about its try: its numbers come from its own seed, its files lie in a folder of its own.
"""
