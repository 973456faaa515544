"""Tests of `reports.statistics.letter_display`."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from reports.statistics.letter_display import letters, tiers


@st.composite
def families(draw):
    """Draw up to seven labels, the best first, and the pairs that differ significantly."""
    labels = [str(at) for at in range(draw(st.integers(1, 7)))]
    pairs = list(itertools.combinations(labels, 2))
    apart = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return labels, set(apart)


@settings(deadline=None)
@given(families())
def test_tiers_are_the_maximal_sets_without_a_significant_difference(family) -> None:
    """The tiers equal the maximal sets result by enumerating all subsets."""
    labels, apart = family
    sets = [
        set(chosen)
        for size in range(1, len(labels) + 1)
        for chosen in itertools.combinations(labels, size)
        if not any(pair in apart for pair in itertools.combinations(chosen, 2))
    ]
    largest = [one for one in sets if not any(one < other for other in sets)]
    result = tiers(labels, apart)
    assert sorted(map(sorted, result)) == sorted(map(sorted, largest))
    assert result == sorted(result)


@settings(deadline=None)
@given(families())
def test_two_labels_share_a_letter_if_and_only_if_they_do_not_differ(family) -> None:
    """The letters agree with the verdicts."""
    labels, apart = family
    shown = letters(labels, tiers(labels, apart))
    for pair in itertools.combinations(labels, 2):
        assert bool(set(shown[pair[0]]) & set(shown[pair[1]])) == (pair not in apart)


def test_an_optimizer_between_two_tiers_is_in_both() -> None:
    """A differs from C, and B from neither: tiers A B and B C, letters a, ab, b, for either order of a pair."""
    result = tiers(["A", "B", "C"], {("C", "A")})
    assert result == [["A", "B"], ["B", "C"]]
    assert letters(["A", "B", "C"], result) == {"A": "a", "B": "ab", "C": "b"}


def test_more_than_26_tiers_have_names_of_two_letters() -> None:
    """The 27th is aa, and commas separate names."""
    labels = [str(at) for at in range(28)]
    shown = letters(labels, tiers(labels, set(itertools.combinations(labels, 2))))
    assert (shown["0"], shown["25"], shown["26"], shown["27"]) == ("a", "z", "aa", "ab")
    assert letters(labels, [labels[:2]] * 27)["0"].split(",")[-1] == "aa"
