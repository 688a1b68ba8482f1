"""Both nodes for a long time at full speed, and what they hold meanwhile: ``make soak``.

:mod:`soak.run` feeds and asks, :mod:`soak.record` is what was measured, :mod:`soak.verdict` says
whether anything grew, and :mod:`soak.plot` draws it.
"""
