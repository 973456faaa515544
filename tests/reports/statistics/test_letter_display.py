"""Tests of `reports.statistics.letter_display`."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from reports.statistics.letter_display import letters, tiers


@st.composite
def families(draw):
    """Up to seven labels, the best first, and which pairs can be told apart."""
    labels = [str(at) for at in range(draw(st.integers(1, 7)))]
    pairs = list(itertools.combinations(labels, 2))
    apart = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return labels, set(apart)


@settings(deadline=None)
@given(families())
def test_tiers_are_the_largest_sets_that_cannot_be_told_apart(family) -> None:
    """Exactly the sets found by trying all subsets: no pair apart within, and no label could join."""
    labels, apart = family
    sets = [
        set(chosen)
        for size in range(1, len(labels) + 1)
        for chosen in itertools.combinations(labels, size)
        if not any(pair in apart for pair in itertools.combinations(chosen, 2))
    ]
    largest = [one for one in sets if not any(one < other for other in sets)]
    found = tiers(labels, apart)
    assert sorted(map(sorted, found)) == sorted(map(sorted, largest))
    assert found == sorted(found)


@settings(deadline=None)
@given(families())
def test_two_labels_share_a_letter_if_and_only_if_they_cannot_be_told_apart(family) -> None:
    """What a reader takes from the letters is what the verdicts say."""
    labels, apart = family
    shown = letters(labels, tiers(labels, apart))
    for pair in itertools.combinations(labels, 2):
        assert bool(set(shown[pair[0]]) & set(shown[pair[1]])) == (pair not in apart)


def test_an_optimizer_between_two_tiers_is_in_both() -> None:
    """A better than C, B between them and apart from neither: tiers A B and B C, letters a, ab, b; either order of a pair."""
    found = tiers(["A", "B", "C"], {("C", "A")})
    assert found == [["A", "B"], ["B", "C"]]
    assert letters(["A", "B", "C"], found) == {"A": "a", "B": "ab", "C": "b"}


def test_more_than_26_tiers_have_names_of_two_letters() -> None:
    """The 27th is aa, and commas part them, so that no name reads as two."""
    labels = [str(at) for at in range(28)]
    shown = letters(labels, tiers(labels, set(itertools.combinations(labels, 2))))
    assert (shown["0"], shown["25"], shown["26"], shown["27"]) == ("a", "z", "aa", "ab")
    assert letters(labels, [labels[:2]] * 27)["0"].split(",")[-1] == "aa"
