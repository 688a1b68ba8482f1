"""Drawn things that an image classifier knows."""

from __future__ import annotations

import cv2
import numpy as np


def clock(side=240):
    """A wall clock, (side, side, 3) RGB."""
    image = np.full((side, side, 3), 205, np.uint8)
    center, radius = np.array([side // 2] * 2), side * 0.44
    cv2.circle(image, center, int(radius), (40, 40, 40), -1, cv2.LINE_AA)
    cv2.circle(image, center, int(radius * 0.92), (250, 250, 250), -1, cv2.LINE_AA)

    def at(hour, part):
        angle = hour * np.pi / 6
        return (center + part * radius * np.array([np.sin(angle), -np.cos(angle)])).astype(int)

    for hour in range(12):
        cv2.line(image, at(hour, 0.76), at(hour, 0.88), (20, 20, 20), 4, cv2.LINE_AA)
        place = at(hour, 0.62) + [-8, 6]
        cv2.putText(image, str(hour or 12), place, 0, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
    cv2.line(image, center, at(9.9, 0.45), (20, 20, 20), 6, cv2.LINE_AA)
    cv2.line(image, center, at(1.9, 0.7), (20, 20, 20), 4, cv2.LINE_AA)
    return image


def traffic_light(side=240):
    """A traffic light that shows red, (side, side * 5 // 8, 3) RGB."""
    image = np.full((side, side * 5 // 8, 3), (150, 190, 230), np.uint8)
    width = image.shape[1]
    cv2.rectangle(image, (width // 4, 10), (3 * width // 4, side - 10), (25, 25, 25), -1)
    for i, color in enumerate(((230, 40, 30), (90, 80, 20), (20, 70, 30))):
        cv2.circle(image, (width // 2, 50 + 70 * i), 28, color, -1, cv2.LINE_AA)
    return image


def keyboard():
    """A computer keyboard, (110, 300, 3) RGB."""
    image = np.full((110, 300, 3), 225, np.uint8)
    cv2.rectangle(image, (4, 4), (295, 105), (40, 40, 42), -1)
    for row in range(5):
        for column in range(15):
            x, y = 10 + 19 * column, 10 + 19 * row
            cv2.rectangle(image, (x, y), (x + 15, y + 15), (70, 70, 75), -1)
            letter = chr(65 + (15 * row + column) % 26)
            cv2.putText(image, letter, (x + 3, y + 12), 0, 0.3, (220, 220, 220), 1)
    cv2.rectangle(image, (80, 86), (190, 101), (70, 70, 75), -1)
    return image
