"""No segmenter: a crop is the box of the visible points."""


def no_segmenter() -> None:
    """Nothing: who has no segmenter takes the box."""
