"""SIGKILL at steps of a whole training, and damage to each of its files. benchmarks/torture does all of it."""

import pytest
from torture import flips, kill_steps, kill_verbs
from torture.bench import bench, one_of_many

KIND = "points"  # the fastest


@pytest.mark.parametrize("part", range(2))
def test_killed_at_a_step_the_same_command_ends_as_if_undisturbed(part):
    here = bench(KIND)
    steps = list(one_of_many(here.steps(here.base, here.train)))
    chosen = steps[3 + 8 * part :: 16]
    assert len(chosen) > 6
    assert {step: said for number, step in chosen if (said := kill_steps.run([KIND, number, step]))} == {}


@pytest.mark.parametrize(("verb", "every"), [("eval", 14), ("report", 6), ("bulk", 8)])
def test_killed_in_a_verb_the_run_is_whole_and_the_verb_ends_as_if_undisturbed(verb, every):
    chosen = kill_verbs.undisturbed(KIND, verb).steps[2::every]
    assert len(chosen) > 3
    assert {step: said for number, step in chosen if (said := kill_verbs.run([KIND, verb, number, step]))} == {}


def test_one_bit_flipped_in_a_file_is_noticed_or_harmless():
    cases = [case for case in flips.tries(KIND) if case[3:] == ["flip", 0]]
    assert len(cases) > 12
    assert {case[2]: said for case in cases if (said := flips.run(case))} == {}
