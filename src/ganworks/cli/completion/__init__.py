"""Completion in bash, zsh and fish: short scripts that ask `ganworks __complete` for what fits."""
