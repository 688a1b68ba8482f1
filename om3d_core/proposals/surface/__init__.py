"""Geometry that proposers share: samples, planes, the way up, floor and walls."""
