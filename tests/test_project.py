"""What the project promises before the first cell: imports, installation, releases, workflows."""

import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

import lowest
import offline
import release
from release import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


def run(*command, cwd=ROOT, **environment):
    environment = os.environ | environment
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8"
    )


def test_importing_the_package_brings_no_tensorflow():
    modules = [f"chapter14.{path.stem}" for path in (ROOT / "chapter14").glob("*.py")]
    code = f"import sys, {', '.join(modules)}; print({{'tensorflow', 'keras'}} & set(sys.modules))"
    assert run(sys.executable, "-c", code).stdout == "set()\n"


def test_requirements_are_those_of_pyproject():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    requirements = [line.split("#")[0].strip() for line in text.splitlines()]
    assert [line for line in requirements if line] == [*PROJECT["dependencies"], "-e ."]


def test_constraints_keep_what_is_required():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    versions = dict(re.findall(r"^([\w-]+)==(.+)$", text, re.M))
    for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]:
        requirement = Requirement(line)
        assert versions[requirement.name] in requirement.specifier, line


def test_the_lowest_versions_are_pinned():
    pinned = [line.replace("==", ">=") for line in lowest.lowest()]
    assert pinned == PROJECT["dependencies"]


PRETENDER = """\
#!{python}
import pathlib, shutil, sys
sys.version_info, sys.version = {version}, "{version}"
if sys.argv[1] == "-c":
    exec(sys.argv[2])
elif sys.argv[1:3] == ["-m", "venv"]:
    with open("made", "a") as made:
        made.write("x")
    shutil.rmtree(sys.argv[-1], ignore_errors=True)
    folder = pathlib.Path(sys.argv[-1], "bin")
    folder.mkdir(parents=True)
    for name in ("python", "jupyter"):
        (folder / name).write_text("#!/bin/sh")
        (folder / name).chmod(0o755)
"""


@pytest.fixture
def make_lab(tmp_path):
    """A function that runs `make lab` on a Python that pretends, and returns the stderr.

    Its environments are empty; the file `made` counts them.
    """
    for name in ("Makefile", "requirements.txt", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)

    def make_lab(version, constraints="constraints.txt"):
        python = tmp_path / "python{}.{}".format(*version)
        python.write_text(
            PRETENDER.format(python=sys.executable, version=version), encoding="utf-8"
        )
        python.chmod(0o755)
        settings = [f"PYTHON={python}", f"CONSTRAINTS={constraints}"]
        return run("make", "lab", *settings, cwd=tmp_path, MAKEFLAGS="", MAKELEVEL="0").stderr

    return make_lab


@needs_make
@pytest.mark.parametrize("minor", range(10, 15))
def test_a_python_that_does_not_suit_gets_one_clear_sentence(make_lab, tmp_path, minor):
    suits = f"3.{minor}" in pythons_in_the_workflow()
    message = make_lab((3, minor, 2))
    assert (tmp_path / "made").exists() == suits
    expected = rf"chapter14 needs Python 3.11 to 3.13, and .* is 3.{minor}: .*\nmake: .*\n"
    assert re.fullmatch("" if suits else expected, message)


@needs_make
def test_the_environment_is_made_again_when_its_ingredients_change(make_lab, tmp_path):
    def count_after(*arguments):
        assert make_lab(*arguments) == ""
        return len((tmp_path / "made").read_text(encoding="utf-8"))

    assert count_after((3, 11, 2)) == count_after((3, 11, 2)) == 1
    assert count_after((3, 12, 2)) == 2, "another Python"
    assert count_after((3, 12, 2), "") == 3, "no constraints"
    assert count_after((3, 12, 2)) == 4
    with (tmp_path / "constraints.txt").open("a", encoding="utf-8") as file:
        file.write("colorama==0.4\n")
    assert count_after((3, 12, 2)) == 5, "other constraints"
    pyproject = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    changed = pyproject.replace("pytest>=", "pytest>9,>=")
    (tmp_path / "pyproject.toml").write_text(changed, encoding="utf-8")
    assert count_after((3, 12, 2)) == 6, "other dependencies"


def pythons_in_the_workflow():
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["jobs"]["test"]["strategy"]["matrix"]["python"]


def test_the_workflows_pass_the_schema():
    schema = ["--builtin-schema", "vendor.github-workflows"]
    done = run(sys.executable, "-m", "check_jsonschema", *schema, *WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_job_alone_may_write():
    permissions = {}
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, job in workflow["jobs"].items():
            permissions[name] = job.get("permissions", workflow["permissions"])
    assert permissions.pop("address") == {"contents": "write"}
    assert set(map(str, permissions.values())) == {"{'contents': 'read'}"}


@pytest.mark.skipif(
    offline.MARK not in os.environ,
    reason="these tests have a network: `make test` runs them without one where the system can",
)
def test_there_is_no_network_but_loopback():
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    with pytest.raises(OSError, match="unreachable"):
        socket.create_connection(("192.0.2.1", 443), timeout=5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_where_there_is_no_namespace_the_command_runs_and_a_line_says_so(tmp_path):
    (tmp_path / "unshare").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (tmp_path / "unshare").chmod(0o755)
    command = [sys.executable, offline.__file__, sys.executable, "-c", "print('ran')"]
    done = run(*command, PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "the network stays as it is" in done.stderr


def test_offline_can_be_imported_on_windows(monkeypatch):
    monkeypatch.delattr(os, "geteuid")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert not runpy.run_path(offline.__file__)["can_unshare"]()


def git(*arguments, cwd):
    done = run("git", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """What carries the version or the address, committed in a clone of a bare repository."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "somebody@example.com")
    clone, origin = tmp_path / "clone", tmp_path / "origin.git"
    shutil.copytree(ROOT / "notebooks", clone / "notebooks")
    for path in [
        *ROOT.glob("*.md"),
        release.INIT,
        ROOT / "pyproject.toml",
        ROOT / "tools/release.py",
    ]:
        copy = clone / path.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)
    git("init", "--quiet", "--bare", origin, cwd=tmp_path)
    git("init", "--quiet", "--initial-branch=main", cwd=clone)
    git("add", ".", cwd=clone)
    git("commit", "--quiet", "--message=first", cwd=clone)
    git("remote", "add", "origin", origin, cwd=clone)
    git("push", "--quiet", "origin", "main", cwd=clone)
    return clone


def texts(folder):
    """Return the text of each file in a clone."""
    names = git("ls-files", "-z", cwd=folder).split("\0")
    return {name: (folder / name).read_text(encoding="utf-8") for name in names if name}


def run_release(clone, *arguments, **environment):
    return run(sys.executable, "tools/release.py", *arguments, cwd=clone, **environment)


def test_the_changelog_begins_with_the_version():
    text = release.CHANGELOG.read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", text, re.M)[:2] == ["Unreleased", release.read_version()]


def test_a_release_changes_the_version_everywhere_and_tags_it(clone):
    before = texts(clone)
    done = run_release(clone, "version", "9.8.7")
    assert done.returncode == 0, done.stderr
    assert git("tag", "--points-at", "HEAD", cwd=clone) == "v9.8.7"
    assert git("status", "--porcelain", cwd=clone) == ""
    after = texts(clone)
    for name in before.keys() - {"CHANGELOG.md", "chapter14/__init__.py"}:
        assert after[name] == before[name].replace(f"v{release.read_version()}", "v9.8.7"), name
    assert '__version__ = "9.8.7"' in after["chapter14/__init__.py"]
    assert re.findall("^## (\\S+)", after["CHANGELOG.md"], re.M)[:2] == ["Unreleased", "9.8.7"]


def test_what_cannot_be_released_is_refused_in_a_sentence(clone):
    git("tag", "v9.8.7", cwd=clone)
    for version in ("", "9.8", "v9.8.8", "9.8.8rc1", "9.8.7", release.read_version()):
        assert re.fullmatch("VERSION: .+\n", run_release(clone, "version", version).stderr)
    (clone / "README.md").write_text("changed", encoding="utf-8")
    done = run_release(clone, "version", "9.8.8")
    assert re.fullmatch("the working tree has changes.*\n", done.stderr)
    assert git("rev-list", "--count", "HEAD", cwd=clone) == "1"
    assert git("tag", cwd=clone) == "v9.8.7"


def test_the_address_changes_everywhere_and_back(clone):
    before, address = texts(clone), release.read_address()
    assert run_release(clone, "address", "new-owner/rnn.book").returncode == 0
    expected = {name: text.replace(address, "new-owner/rnn.book") for name, text in before.items()}
    assert texts(clone) == expected
    assert run_release(clone, "address", address).returncode == 0
    assert texts(clone) == before


def test_what_is_no_address_is_refused_in_a_sentence(clone):
    for address in ("", "owner", "https://github.com/a/b", "a/b/c"):
        assert re.fullmatch("REPO: .+\n", run_release(clone, "address", address).stderr)
    assert git("status", "--porcelain", cwd=clone) == ""


def test_the_first_run_on_github_pushes_address_and_tag(clone):
    address, tag = release.read_address(), f"v{release.read_version()}"
    for owner in ("somebody", "somebody-else"):  # the second is a fork of the first
        done = run_release(clone, "first-run", GITHUB_REPOSITORY=f"{owner}/rnn")
        assert done.returncode == 0, done.stderr
        pushed = git("ls-remote", "origin", "main", cwd=clone).split()[0]
        assert pushed == git("rev-parse", "HEAD", cwd=clone)
        assert f"github.com/{owner}/rnn@{tag}" in texts(clone)["notebooks/01_training_rnns.ipynb"]
        assert not any(f"/{address}" in text for text in texts(clone).values())
        address = f"{owner}/rnn"
    tagged = git("ls-remote", "origin", tag, cwd=clone).split()[0]
    assert tagged == git("rev-parse", "HEAD~", cwd=clone), "a tag that is there stays"
    run_release(clone, "first-run", GITHUB_REPOSITORY=address)
    assert git("ls-remote", "origin", "main", cwd=clone).split()[0] == pushed, "nothing left to do"
