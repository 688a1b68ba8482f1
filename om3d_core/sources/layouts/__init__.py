"""Layouts of recordings in files, a layout a file; all are read by FolderSource."""

from om3d_core.registry import Plugin, Registry

ROOM = "om3d_core.sources.layouts"
REGISTRY = Registry("layout", {
    "own": Plugin(f"{ROOM}.own:OwnLayout"),
    "pose_lines": Plugin(f"{ROOM}.pose_lines:PoseLinesLayout"),
    "tum": Plugin(f"{ROOM}.tum:TumLayout"),
    "replica": Plugin(f"{ROOM}.replica:ReplicaLayout"),
    "sens": Plugin(f"{ROOM}.sens:SensLayout"),
    "scannetpp": Plugin(f"{ROOM}.scannetpp:ScanNetPPLayout"),
    "seven_scenes": Plugin(f"{ROOM}.seven_scenes:SevenScenesLayout"),
    "open3d": Plugin(f"{ROOM}.open3d:Open3dLayout"),
    "nerfstudio": Plugin(f"{ROOM}.nerfstudio:NerfstudioLayout"),
    "polycam": Plugin(f"{ROOM}.polycam:PolycamLayout"),
    "record3d": Plugin(f"{ROOM}.record3d:Record3dLayout"),
    "arkitscenes": Plugin(f"{ROOM}.arkitscenes:ArkitScenesLayout"),
    "colmap": Plugin(f"{ROOM}.colmap:ColmapLayout"),
})
