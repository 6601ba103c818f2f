"""The version and the repository's address: read them, and change them wherever they stand.

    python tools/release.py version 0.2.0        make a release: `make release VERSION=0.2.0`
    python tools/release.py address owner/name   set the address: `make address REPO=owner/name`
    python tools/release.py first-run            what GitHub's first workflow run does

The version's one source is chapter14/__init__.py, the address's is pyproject.toml. A notebook
that is opened alone installs ``git+https://github.com/ADDRESS@vVERSION``.
"""

import argparse
import datetime
import os
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
INIT = ROOT / "chapter14" / "__init__.py"
CHANGELOG = ROOT / "CHANGELOG.md"


def read_address() -> str:
    """Return the repository's address, owner/name."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    url = tomllib.loads(text)["project"]["urls"]["Repository"]
    return url.removeprefix("https://github.com/")


def read_version() -> str:
    """Return the version that the notebooks install."""
    return re.search(r'__version__ = "(.+)"', INIT.read_text(encoding="utf-8"))[1]


def documents() -> list[Path]:
    """Return the notebooks and the pages, which readers open on their own."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "notebooks").rglob("*.ipynb"))]


def substitute(path: Path, pattern: str, replacement: str) -> None:
    """Replace a pattern in a file."""
    text = path.read_text(encoding="utf-8")
    changed = re.sub(pattern, replacement, text)
    if changed != text:
        path.write_text(changed, encoding="utf-8", newline="\n")
        print(path.relative_to(ROOT))


def git(*arguments: str) -> str:
    """Run git in the repository, and return what it prints."""
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"git {arguments[0]} failed")
    return done.stdout


def set_address(address: str) -> None:
    """Replace the repository's address by ``address``."""
    if not re.fullmatch(r"[\w-]+/[\w.-]+", address):
        raise SystemExit(f"REPO: expected owner/name, got {address!r}")
    pattern = rf"((?:github(?:\.com)?|codespaces\.new|gh)/){re.escape(read_address())}(?![\w-])"
    for path in [ROOT / "pyproject.toml", *documents()]:
        substitute(path, pattern, rf"\g<1>{address}")


def set_version(version: str) -> None:
    """Replace the version in the package, in what the lessons and uv install, and in the badges."""
    address, old = re.escape(read_address()), re.escape(read_version())
    for path in documents():
        substitute(path, rf"({address}(?:@|/blob/|/))v{old}(?!\.?\w)", rf"\g<1>v{version}")
    heading = f"## {version} ({datetime.date.today()})"
    substitute(CHANGELOG, r"(?m)^## Unreleased$", f"## Unreleased\n\n{heading}")
    substitute(INIT, r'(__version__ = )".+"', rf'\g<1>"{version}"')


def release(version: str) -> None:
    """Set the version everywhere, commit that, and create its tag."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise SystemExit(f"VERSION: expected three numbers such as 0.2.0, got {version!r}")
    if version == read_version() or git("tag", "--list", f"v{version}"):
        raise SystemExit(f"VERSION: {version} exists already")
    if git("status", "--porcelain"):
        raise SystemExit("the working tree has changes: commit them first")
    set_version(version)
    git("commit", "--quiet", "--all", "--message", f"Release {version}")
    git("tag", "--annotate", "--message", f"chapter14 {version}", f"v{version}")
    print(f"v{version} is tagged. To publish it: git push --follow-tags")


def first_run(address: str) -> None:
    """Push the repository's own address and the version's tag, where they're missing."""
    set_address(address)
    if git("status", "--porcelain"):
        git("commit", "--quiet", "--all", "--message", f"The repository's address: {address}")
        git("push", "--quiet", "origin", "HEAD")
    tag = f"v{read_version()}"
    if not git("ls-remote", "--tags", "origin", tag):
        git("push", "--quiet", "origin", f"HEAD:refs/tags/{tag}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["version", "address", "first-run"])
    parser.add_argument("value", nargs="?", default="")
    arguments = parser.parse_args()
    if arguments.command == "version":
        release(arguments.value)
    elif arguments.command == "address":
        set_address(arguments.value)
    else:
        first_run(os.environ["GITHUB_REPOSITORY"])


if __name__ == "__main__":
    main()
