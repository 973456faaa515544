"""`suite.training.provenance`: the environment of a result."""

import subprocess

from suite.training import provenance


def test_the_commit_and_its_changes(tmp_path, monkeypatch):
    """A checkout of Ravine has a commit, with a + if files were changed; any other folder has none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "site" / "suite" / "training" / "provenance.py"))
    provenance.commit.cache_clear()
    assert provenance.commit() == ""
    module = tmp_path / "suite" / "training" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("x\n", encoding="utf-8")

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *identity, *arguments], check=True, capture_output=True, text=True, cwd=tmp_path
        ).stdout

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    head = git("rev-parse", "--short=12", "HEAD").strip()
    provenance.commit.cache_clear()
    assert provenance.commit() == head
    module.write_text("y\n", encoding="utf-8")
    provenance.commit.cache_clear()
    assert provenance.commit() == f"{head}+"
    provenance.commit.cache_clear()


def test_the_version_of_a_missing_package():
    """A package that is not installed does not raise."""
    assert provenance.version("no-such-package-here") == "not installed"
