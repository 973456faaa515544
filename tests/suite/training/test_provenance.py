"""`suite.training.provenance`: where a result comes from."""

import subprocess

from suite.training import provenance


def test_the_commit_and_its_changes(tmp_path, monkeypatch):
    """In a checkout of Ravine the commit is told, with a + where files were changed; elsewhere nothing is claimed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "site" / "suite" / "provenance.py"))
    provenance.commit.cache_clear()
    assert provenance.commit() == ""
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "provenance.py").write_text("x\n", encoding="utf-8")

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
    (tmp_path / "suite" / "provenance.py").write_text("y\n", encoding="utf-8")
    provenance.commit.cache_clear()
    assert provenance.commit() == f"{head}+"
    provenance.commit.cache_clear()


def test_a_package_that_is_absent_is_said_to_be():
    """Versions never raise."""
    assert provenance.version("no-such-package-here") == "not installed"
