"""The table of recordings as people have them in docs/recordings.md, of what slow tests left.

``python -m pytest -m slow --basetemp WORK test/core/sources/test_cases.py
test/core/commands/test_run_agreement.py`` leaves the inputs and their maps; then
``python test/helpers/case_table.py WORK`` writes the table.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from om3d_core.data.scene_store import load_scene

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recordings.md"
BEGIN, END = "<!-- cases: python test/helpers/case_table.py WORK -->", "<!-- end of cases -->"
AS_IT_IS = {
    "c19": "Replica of NICE-SLAM, in a folder below",
    "c20": "nerfstudio, `transforms.json` of OpenGL",
    "c22": "`poses.txt` of 12 numbers a line (KITTI)",
    "c23": "7-Scenes, a sequence below its camera",
    "c24": "Open3D's reconstruction system",
    "c25": "Record3D, unpacked `.r3d`",
    "c53": "`rgb/` and `poses/`",
    "c03": "depth in float `.npy`", "c04": "depth in float `.tiff`",
    "c07": "depth as gray with opacity",
    "c16": "poses of 3x4", "c17": "poses of quaternions",
    "c59": "poses with brackets and commas", "c60": "transposed poses",
    "c61": "rounded poses", "c55": "four numbers of intrinsics", "c56": "intrinsics in JSON",
    "c40": "names `frame_N`", "c41": "names that are stamps", "c43": "names in ms",
    "c44": "names padded otherwise", "c54": "color in WebP, BMP and TIFF",
    "c37": "EXIF orientation that does not hold",
    "c34": "phone held upright, all turned", "c36": "phone held upright, images on their side",
    "c32": "depth smaller than color", "c46": "frames missing",
}  # fmt: skip
"""Cases that are read without a flag, by the name of their script."""
FIXED = {
    "c18": "TUM RGB-D without intrinsics",
    "c01": "depth in 1/5000 m", "c69": "depth along the ray",
    "c10": "inverted poses", "c11": "poses of OpenGL", "c14": "poses in millimeters",
    "c64": "poses in UTM",
    "c30": "intrinsics of larger images", "c58": "intrinsics in shares of the sides",
    "c71": "a cloud in millimeters", "c77": "COLMAP's sparse cloud beside the frames",
}  # fmt: skip
"""Cases that ``--fix`` mends."""


def doctor(path: Path, flags: list[str]) -> tuple[float, list[str]]:
    """The agreement of the frames of a recording with these flags, and flags that it names."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, "-m", "om3d_core.cli", "doctor", str(path), *flags]
        subprocess.run([*command, "--json", str(out)], check=False, capture_output=True)
        found = json.loads(out.read_text())
    if found["findings"]:
        return float("nan"), found["findings"][0]["flag"].split()
    (agree,) = [text for text in found["told"] if text.startswith("frames agree")]
    return float(re.search(r": ([\d.]+) of", agree)[1]), []


def line(work: Path, name: str, what: str, fixed: bool) -> str:
    """A row of the table, from the map that a test left."""
    made = sorted(work.glob(f"cases[0-9]*/maps/{name}"))[0]
    path = made.parents[1] / ("base" if name == "base" else f"in/{name}")
    flags = ["--folder.step", "3"] if name == "base" else []
    share, named = doctor(path, flags)
    if fixed:
        share, _ = doctor(path, named)
    steps = f"`--fix` sets `{' '.join(named)}`" if fixed else "none"
    scene = load_scene(made)
    objects = int((~scene.masks.structure).sum())
    return f"| {what} | {steps} | {share:.2f} | {len(scene.cloud):,} | {objects} |"


def table(work: Path) -> str:
    """The table, without the lines around it."""
    head = "recording", "steps", "agreement", "points", "objects"
    rows = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    rows.append(line(work, "base", "the base: our own layout", fixed=False))
    rows += [line(work, name, what, fixed=False) for name, what in AS_IT_IS.items()]
    rows += [line(work, name, what, fixed=True) for name, what in FIXED.items()]
    return "\n".join(rows)


if __name__ == "__main__":
    text = PAGE.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table(Path(sys.argv[1]))}\n{END}{after}")
