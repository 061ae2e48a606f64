"""The classes of attacks in `benchmarks/torture` can be called: each is found, says what it does, and has cases."""

from torture.run import attacks


def test_every_class_of_attacks_can_be_called():
    known = attacks()
    assert {"settings", "command-lines", "run-files", "data-files", "hostile-networks", "kill-chains"} <= known.keys()
    for attack in known.values():
        assert callable(attack.tries) and callable(attack.run)
        assert (attack.__doc__ or "").split("\n")[0].endswith(".")
