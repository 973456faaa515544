"""`suite.spec.study`: an entry that lists learning rates becomes one entry for each of them."""

import pytest

from suite.errors import UserError
from suite.spec.study_file import load_study

TOP = 'title = "t"\nproblem = "digits_mlp"\nrepeats = 1\nepochs = 1\n'


def _study(here, *entries):
    tables = "".join(f"[[optimizer]]\n{entry}\n" for entry in entries)
    (here / "sweep.toml").write_text(TOP + tables, encoding="utf-8")
    return load_study(here / "sweep.toml")


def test_a_list_of_rates_is_an_entry_for_each(here):
    """Named after the rate, in the order of the list, all else alike; an entry with one rate stays as it is."""
    study = _study(
        here,
        'name = "M"\nkind = "momentum"\nlr = [0.5, 1, 1e-5]\nmomentum = 0.9\nepochs = 3',
        'name = "Adam"\nkind = "adam"\nlr = 0.1',
    )
    assert [entry.name for entry in study.optimizer] == ["M 0.5", "M 1", "M 1e-05", "Adam"]
    assert [entry.options["lr"] for entry in study.optimizer] == [0.5, 1.0, 1e-5, 0.1]
    assert all(entry.options["momentum"] == 0.9 and entry.epochs == 3 for entry in study.optimizer[:3])


def test_what_the_command_line_chooses_is_found_by_kind_and_by_label(here):
    """`--optimizer momentum` keeps all rates, `--optimizer "M 1"` one."""
    study = _study(here, 'name = "M"\nkind = "momentum"\nlr = [0.5, 1]', 'name = "Adam"\nkind = "adam"\nlr = 0.1')
    assert [entry.name for entry in study.override(optimizers=("momentum",)).optimizer] == ["M 0.5", "M 1"]
    assert [entry.name for entry in study.override(optimizers=("M 1",)).optimizer] == ["M 1"]


@pytest.mark.parametrize("rates", ["[]", "[0.1, 0.1]", '[0.1, "0.2"]', "[true]", "[[0.1]]", "[0.1, 0.1000000001]"])
def test_a_list_that_holds_no_different_numbers_is_told(here, rates):
    """One line with the optimizer and an example."""
    with pytest.raises(
        UserError, match=r'optimizer: "M": lr: expected a number, or a list of different numbers'
    ) as told:
        _study(here, f'name = "M"\nkind = "momentum"\nlr = {rates}')
    assert len(str(told.value).splitlines()) == 1


def test_a_name_that_becomes_too_long_is_told(here):
    """80 characters are the limit, the rate included."""
    with pytest.raises(UserError, match="at most 80 characters"):
        _study(here, f'name = "{"M" * 78}"\nkind = "sgd"\nlr = [0.1, 0.2]')


def test_two_entries_that_become_alike_are_told(here):
    """A label that another entry has already is a mistake, as ever."""
    with pytest.raises(UserError, match=r'two optimizers are named "M 0\.1"'):
        _study(here, 'name = "M"\nkind = "sgd"\nlr = [0.1, 0.2]', 'name = "M 0.1"\nkind = "sgd"\nlr = 0.1')


def test_a_rate_out_of_range_is_told_with_its_label(here):
    """The optimizer's own check names the one that is wrong."""
    from suite.spec.plan import plan

    with pytest.raises(UserError, match=r'\("M -1"\)\.lr'):
        plan(_study(here, 'name = "M"\nkind = "sgd"\nlr = [0.1, -1.0]'))
