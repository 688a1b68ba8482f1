"""Mutated input against everything that reads from outside: ``make fuzz``.

A part (:mod:`fuzz.parts`) makes inputs of one family and judges what came of each; the figure at
the end counts outcomes a kind. :mod:`fuzz.files` is the part of files.
"""
