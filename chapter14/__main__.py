"""Copy the lessons into a folder and open them: ``python -m chapter14``, without a clone.

The folder is ``chapter14-lessons-VERSION`` in the current one. A file that is there already stays
as it is, so a second call goes on where you were. Arguments are JupyterLab's: ``--no-browser``.
"""

import sys
from pathlib import Path

from chapter14 import __version__

PACKAGE = Path(__file__).parent


def find_lessons() -> Path:
    """Return the folder of the notebooks: in the package, or beside it in a checkout."""
    installed = PACKAGE / "notebooks"
    return installed if installed.is_dir() else PACKAGE.parent / "notebooks"


def copy_lessons(folder: Path) -> None:
    """Copy each lesson and solution that ``folder`` doesn't have yet."""
    lessons = find_lessons()
    for source in [*lessons.glob("*.ipynb"), *lessons.glob("solutions/*.ipynb")]:
        target = folder / source.relative_to(lessons)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.write_bytes(source.read_bytes())


def main() -> None:
    """Copy the lessons and open JupyterLab on them."""
    folder = Path(f"chapter14-lessons-{__version__}").absolute()
    try:
        copy_lessons(folder)
    except OSError as error:
        raise SystemExit(
            f"Could not write the lessons into {folder} ({error.strerror}). "
            "Change to a folder that you can write to, then run this again."
        ) from None
    print(f"The lessons are in {folder}", flush=True)
    from jupyterlab.labapp import main as open_jupyterlab

    open_jupyterlab([str(folder), *sys.argv[1:]])


if __name__ == "__main__":
    main()
