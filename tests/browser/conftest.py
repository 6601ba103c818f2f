"""A real Jupyter server on a free port, and one Chromium to drive it, for all tests."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
SETTINGS = {  # every cell in the page at once; no news
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A Jupyter server on a copy of the checkout: its folder, and the address of any page."""
    folder = tmp_path_factory.mktemp("jupyter")
    checkout = folder / "checkout"
    skip = shutil.ignore_patterns(".*", "models", "__pycache__")
    shutil.copytree(ROOT, checkout, ignore=skip)
    for name, setting in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(setting), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
    }
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=test"]
    command += [f"--ServerApp.root_dir={checkout}"]
    log = folder / "jupyter.log"
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, env=os.environ | folders, stdout=file, stderr=file)
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}/api?token=test", log)
        yield SimpleNamespace(folder=checkout, address=f"http://127.0.0.1:{port}/%s?token=test")
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_it_answers(address, log):
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.3)
    messages = log.read_text(encoding="utf-8")
    raise RuntimeError(f"JupyterLab did not start:\n{messages}")


@pytest.fixture(scope="session")
def browser():
    """One browser with one cache, so that Jupyter's own files are read once."""
    if CHROMIUM is None:
        pytest.skip("Chromium is missing: apt install chromium, or name the program in CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium.new_context(viewport={"width": 1280, "height": 1400})
        chromium.close()
