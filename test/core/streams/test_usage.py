"""The share of used images over the last seconds, and its causes."""

from __future__ import annotations

from om3d_core.streams.usage import Arrivals, Totals, Usage, Window


def totals(sent, used, lost=0, pending=0, **without):
    return Totals(
        {"color": sent - lost, "depth": sent}, {"color": lost, "depth": 0}, without, used, pending
    )


def test_gaps_in_the_numbers_of_a_publisher_are_losses_in_whatever_order_they_come():
    arrivals = Arrivals()
    for number in (5, 9, 6, 10):
        arrivals.add("a", number)
    arrivals.add("b", 100)
    arrivals.add("b", None)
    assert (arrivals.received, arrivals.lost) == (6, 2)


def test_a_history_that_comes_later_is_no_loss():
    arrivals = Arrivals()
    for number in (7, 8, 5, 6):
        arrivals.add("a", number)
    assert arrivals.lost == 0


def test_the_share_counts_what_was_lost_on_the_way_and_not_what_waits():
    usage = Usage()
    usage.add(0.0, totals(0, 0))
    usage.add(5.0, totals(40, 18, lost=10, pending=4))
    assert usage.share == 0.5 and usage.low
    assert usage.lost == {"color": 10} and usage.without == {}


def test_few_images_are_not_judged():
    usage = Usage()
    usage.add(0.0, totals(0, 0))
    usage.add(1.0, totals(9, 0))
    assert usage.share == 1.0 and not usage.low


def test_what_was_bad_before_the_window_is_forgotten():
    usage = Usage(window_s=10.0)
    usage.add(0.0, totals(0, 0))
    usage.add(10.0, totals(100, 10, depth=90))
    assert usage.low and usage.without == {"depth": 90}
    for second in range(11, 22):
        used = 10 + 10 * (second - 10)
        usage.add(second, totals(100 + 10 * (second - 10), used, depth=90))
    assert usage.share == 1.0 and usage.without == {}


def test_a_window_forgets_and_recovers():
    window = Window(10.0)
    assert window.change("lost") == 0
    for second, lost in ((0.0, 0), (1.0, 3), (5.0, 3)):
        window.add(second, {"lost": lost})
    assert window.change("lost") == 3 and str(window) == "in the last 10 s"
    for second in range(6, 13):
        window.add(float(second), {"lost": 3, "new": 2})
    assert window.change("lost") == 0 and window.change("new") == 2
    window.add(13.0, {"lost": 0})
    assert window.change("lost") == -3
