"""`pip install .`: the ROS-free library and the `om3d` command. colcon uses CMakeLists.txt."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
DATA_SUFFIXES = ("csv", "json", "md", "npz", "rviz", "safetensors", "toml", "txt", "yaml")
EXTRAS = (
    "models", "detectors", "mask3d", "sam", "bag", "synth", "view", "ray", "record3d", "test"
)  # fmt: skip


def requirements(name: str) -> list[str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def version() -> str:
    text = (ROOT / "om3d_core" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if match is None:
        raise RuntimeError('om3d_core/__init__.py: expected a line __version__ = "X.Y.Z"')
    return match.group(1)


setup(
    name="om3d",
    version=version(),
    description="Open-vocabulary 3D instance mapping for robots",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="om3d maintainers",
    author_email="maintainers@om3d.example.org",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    classifiers=[f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)],
    packages=[*find_packages(include=["om3d_core", "om3d_core.*"]), "om3d_core.config"],
    package_dir={"om3d_core.config": "config"},
    package_data={"om3d_core": ["py.typed"], "": [f"*.{suffix}" for suffix in DATA_SUFFIXES]},
    install_requires=requirements("core"),
    extras_require={name: requirements(name) for name in EXTRAS},
    entry_points={"console_scripts": ["om3d = om3d_core.cli:main"]},
    zip_safe=False,
)
