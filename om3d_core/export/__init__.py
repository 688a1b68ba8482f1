"""A map as files of other tools, one file a format."""

from om3d_core.registry import Plugin, Registry

ROOM = "om3d_core.export"
REGISTRY = Registry("export format", {
    "ply": Plugin(f"{ROOM}.ply:PlyExporter", "PlySettings"),
    "openlex3d": Plugin(f"{ROOM}.openlex3d:OpenLex3DExporter", "OpenLex3DSettings"),
    "glb": Plugin(f"{ROOM}.glb:GlbExporter", "GlbSettings"),
    "boxes-json": Plugin(f"{ROOM}.boxes_json:BoxesJsonExporter"),
    "detection3d": Plugin(f"{ROOM}.detection3d:Detection3DExporter", "Detection3DSettings"),
})
