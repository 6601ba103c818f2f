"""Saving: a full disk, an unwritable folder or an interruption, and the old file stays."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from chapter14 import runtime
from chapter14.runtime import models_folder, replacing

# a new mount namespace: root has it, others where the kernel lets them be root in their own
UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
MOUNTS = shutil.which("unshare") and not subprocess.run([*UNSHARE, "true"]).returncode
needs_mounts = pytest.mark.skipif(not MOUNTS, reason="this kernel lets us mount nothing")


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((28,)), keras.layers.Dense(300), keras.layers.Dense(10)])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_takes_the_place_of_the_old_one(tmp_path, model):
    path = tmp_path / "new folder" / "model.keras"
    for _ in range(2):
        with replacing(path) as unfinished:
            model.save(unfinished)
        assert names(path.parent) == ["model.keras"]
    loaded = keras.saving.load_model(path, safe_mode=True)
    assert all(map(np.array_equal, loaded.get_weights(), model.get_weights()))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_save_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")

    def interrupted_save():
        with replacing(path) as unfinished:
            unfinished.write_bytes(b"half of the n")
            raise error

    with pytest.raises(error):
        interrupted_save()
    assert names(tmp_path) == ["model.keras"]
    assert path.read_bytes() == b"old"


def test_a_save_that_is_killed_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")
    code = (
        "import os, signal, sys\n"
        "from chapter14.runtime import replacing\n"
        "with replacing(sys.argv[1]) as unfinished:\n"
        "    unfinished.write_bytes(b'half of the n')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, path]).returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    with replacing(path) as unfinished:  # what the dead one left is in nobody's way
        unfinished.write_bytes(b"new")
    assert names(tmp_path) == ["model.keras"]
    assert path.read_bytes() == b"new"


SAVE_AND_SAVE = """\
import sys
import numpy as np
from chapter14.runtime import replacing
for number in range(10_000):
    with replacing(sys.argv[1]) as unfinished:
        np.savez(unfinished, *[np.full(30_000, number)] * 5)
    print(number, flush=True)
"""


@pytest.mark.parametrize("signal_of_the_end", [signal.SIGKILL, signal.SIGINT])
def test_a_save_that_is_ended_at_any_moment_leaves_a_whole_file(tmp_path, signal_of_the_end):
    path = tmp_path / "numbers.npz"
    rng = np.random.default_rng(14)
    for _ in range(8):
        command = [sys.executable, "-c", SAVE_AND_SAVE, path]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        with subprocess.Popen(command, **pipes) as process:
            assert process.stdout.readline() == "0\n"
            time.sleep(rng.uniform(0, 0.05))
            process.send_signal(signal_of_the_end)
            finished = [0, *map(int, process.stdout.read().split())][-1]
        with np.load(path, allow_pickle=False) as arrays:
            [number] = {value for name in arrays.files for value in np.unique(arrays[name])}
        assert number in (finished, finished + 1)
        if signal_of_the_end == signal.SIGINT:
            assert names(tmp_path) == ["numbers.npz"]


def test_an_error_that_the_caller_handles_is_not_blamed(tmp_path):
    def fail_to_save():
        raise ValueError("the layer has no weights")

    def save_what_could_not_be_loaded():
        try:
            (tmp_path / "missing").read_bytes()
        except OSError:
            with replacing(tmp_path / "model.keras"):
                fail_to_save()

    with pytest.raises(ValueError, match="the layer has no weights"):
        save_what_could_not_be_loaded()


class BytesPath:
    def __fspath__(self):
        return b"model.keras"


@pytest.mark.parametrize("path", ["", ".", "/", "a\0b", "\ud800", BytesPath(), 14, None])
def test_what_is_no_name_of_a_file_is_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, ValueError), match="path: expected"), replacing(path):
        pass


SAVE_ON_A_SMALL_DISK = """\
import pathlib, sys
from chapter14.runtime import quiet_start, replacing
with quiet_start():
    import keras
path = pathlib.Path(sys.argv[1]) / "model.keras"
path.write_bytes(b"old")
model = keras.Sequential([keras.Input((28,)), keras.layers.Dense(9000)])
try:
    with replacing(path) as unfinished:
        model.save(unfinished)
finally:
    assert path.read_bytes() == b"old"
    assert [name.name for name in path.parent.iterdir()] == ["model.keras"]
"""


@needs_mounts
def test_a_full_disk_leaves_the_old_model_and_says_so(tmp_path):
    disk = 'mount -t tmpfs -o size=400k none "$0" && exec "$@"'
    command = [*UNSHARE, "sh", "-c", disk, tmp_path]
    command += [sys.executable, "-c", SAVE_ON_A_SMALL_DISK, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    message = (
        f"{tmp_path}/model.keras: {os.strerror(errno.ENOSPC)}; the file of before is as it was"
    )
    assert done.stderr.splitlines()[-1] == f"OSError: [Errno {errno.ENOSPC}] {message}"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "models").write_text("a file where the folder should be")
    refused = pytest.raises(OSError, match=r"models/model\.keras: .*; nothing was written")
    with refused, replacing(tmp_path / "models" / "model.keras"):
        pass


def test_models_go_elsewhere_where_the_project_cannot_be_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert models_folder() == tmp_path / "models"
    assert models_folder().is_dir()
    assert not capsys.readouterr().out
    (tmp_path / "models").rmdir()
    (tmp_path / "models").write_text("a file where the folder should be")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(runtime.tempfile, "tempdir", str(temporary))
    instead = models_folder()
    assert instead.is_dir()
    assert instead.parent == temporary
    assert instead.name.startswith("chapter14-models")
    if os.name == "posix":
        assert instead.name.endswith(f"-{os.getuid()}")  # each user has a folder
        assert instead.stat().st_mode & 0o77 == 0  # that is closed to the others
    said = capsys.readouterr().out
    assert said.startswith(f"{tmp_path / 'models'} cannot be written (")
    assert said.endswith(f"): models go to {instead}\n")
