"""`suite.spec.study`: an entry that lists learning rates becomes one entry for each of them."""

import pytest

from suite.errors import UserError
from suite.spec.plan import plan
from suite.spec.study_file import load_study

TOP = 'title = "t"\nproblem = "digits_mlp"\nrepeats = 1\nepochs = 1\n'


def _study(here, *entries):
    tables = "".join(f"[[optimizer]]\n{entry}\n" for entry in entries)
    (here / "rates.toml").write_text(TOP + tables, encoding="utf-8")
    return load_study(here / "rates.toml")


def test_a_list_of_rates_gives_an_entry_for_each(here):
    """Entries are named after the rate, in the order of the list, with equal options; an entry with one rate is kept."""
    study = _study(
        here,
        'name = "M"\nkind = "momentum"\nlr = [0.5, 1, 1e-5]\nmomentum = 0.9\nepochs = 3',
        'name = "Adam"\nkind = "adam"\nlr = 0.1',
    )
    assert [entry.name for entry in study.optimizer] == ["M 0.5", "M 1", "M 1e-05", "Adam"]
    assert [entry.options["lr"] for entry in study.optimizer] == [0.5, 1.0, 1e-5, 0.1]
    assert all(entry.options["momentum"] == 0.9 and entry.epochs == 3 for entry in study.optimizer[:3])


def test_the_command_line_selects_by_kind_and_by_label(here):
    """`--optimizer momentum` keeps all rates, `--optimizer "M 1"` one."""
    study = _study(here, 'name = "M"\nkind = "momentum"\nlr = [0.5, 1]', 'name = "Adam"\nkind = "adam"\nlr = 0.1')
    assert [entry.name for entry in study.override(optimizers=("momentum",)).optimizer] == ["M 0.5", "M 1"]
    assert [entry.name for entry in study.override(optimizers=("M 1",)).optimizer] == ["M 1"]


@pytest.mark.parametrize(
    "entries",
    [
        *([f'name = "M"\nkind = "momentum"\nlr = {rates}'] for rates in ("[]", "[0.1, 0.1]", '[0.1, "0.2"]', "[true]")),
        *([f'name = "M"\nkind = "momentum"\nlr = {rates}'] for rates in ("[[0.1]]", "[0.1, 0.1000000001]")),
        [f'name = "{"M" * 78}"\nkind = "sgd"\nlr = [0.1, 0.2]'],
        ['name = "M"\nkind = "sgd"\nlr = [0.1, 0.2]', 'name = "M 0.1"\nkind = "sgd"\nlr = 0.1'],
        ['name = "M"\nkind = "sgd"\nlr = [0.1, -1.0]'],
    ],
    ids=["empty", "twice", "text", "bool", "nested", "equal digits", "long label", "same label", "out of range"],
)
def test_invalid_lists(here, wording, entries):
    """Each is one line with the optimizer and the fix."""
    with pytest.raises(UserError) as error:
        plan(_study(here, *entries))
    assert "\n" not in str(error.value)
    wording(error.value)
