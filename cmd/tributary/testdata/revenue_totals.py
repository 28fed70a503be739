#!/usr/bin/env python3
"""Add up revenue by period from the original files, in another way than Tributary does: no events, no SQL, no floats.

  revenue_totals.py access-log access.log.xz ZONE... > totals.json
  revenue_totals.py retail online-retail.csv.xz ZONE... > totals.json

Prints {zone: {view: {bucket: figures}}}. A bucket is the period, then owner, pointer, post, title and asset, separated
by "|"; figures are gross, refunds, fees, net and the number of events, separated by spaces. Money is counted in integers
of the smallest unit, periods with Python's own calendar.
"""
import calendar
import collections
import csv
import io
import json
import lzma
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

# Sale is one row of revenue: who and what, when (UTC), and how much, in units of 10^-scale.
Sale = collections.namedtuple("Sale", "what when gross refunds scale")
WEEKDAYS = {name: number for number, name in enumerate(calendar.day_name, 1)}
assert WEEKDAYS["Monday"] == 1


def page_views(path):
    """A successful GET of a page earns its post 200000 USD at scale 9; posts are numbered as they appear."""
    posts = {}
    with lzma.open(path, "rb") as lines:
        for line in lines:
            fields = line.decode("utf-8", "replace").split('"')
            if len(fields) < 3 or len(fields[1].split(" ")) != 3 or not fields[2].startswith(" 200 "):
                continue
            method, target, protocol = fields[1].split(" ")
            page = target.partition("?")[0]
            if method != "GET" or not protocol.startswith("HTTP/") or not page.endswith(("/", ".html")):
                continue
            post = posts.setdefault(page, "post-" + str(len(posts) + 1))
            yield Sale(("semicomplete", "$wallet.example/semicomplete", post, page, "USD"), log_time(fields[0]), 200000, 0, 9)


def log_time(head):
    """The time in `host - - [17/May/2015:10:05:03 +0000] `, without strptime."""
    clock, zone = head[head.index("[") + 1:head.index("]")].split(" ")
    date, hour, minute, second = clock.split(":")
    day, month, year = date.split("/")
    ahead = timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:]))
    local = datetime(int(year), list(calendar.month_abbr).index(month), int(day), int(hour), int(minute), int(second))
    return (local - ahead).replace(tzinfo=timezone.utc)


def thousandths(price):
    whole, _, fraction = price.lstrip("-").partition(".")
    value = int(whole) * 1000 + int((fraction + "000")[:3])
    assert set(fraction[3:]) <= {"0"}, price
    return -value if price.startswith("-") else value


def invoices(path):
    """An invoice is sold at the time of its earliest line; one with C is a refund; one below zero otherwise is invalid."""
    totals, times = collections.Counter(), {}
    with lzma.open(path, "rb") as raw:
        for row in csv.DictReader(io.TextIOWrapper(raw, "utf-8", newline="")):
            number, when = row["InvoiceNo"], datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=timezone.utc)
            totals[number] += int(row["Quantity"]) * thousandths(row["UnitPrice"])
            times[number] = min(when, times.get(number, when))
    what = ("uci-retail", "till", "", "", "GBP")
    for number, total in totals.items():
        if number.startswith("C"):
            yield Sale(what, times[number], 0, -total, 3)
        elif total >= 0:
            yield Sale(what, times[number], total, 0, 3)


def periods(local):
    """The period of each view in which a local time lies. An hour is its start, as epoch seconds and on the clock."""
    date = local.date()
    hour = local.replace(minute=0, second=0, microsecond=0)
    weekday = WEEKDAYS[calendar.day_name[calendar.weekday(date.year, date.month, date.day)]]
    day_of_year = sum(calendar.monthrange(date.year, month)[1] for month in range(1, date.month)) + date.day
    return {
        "by_hour": "%d %s" % (hour.timestamp(), hour.strftime("%Y-%m-%d %H:%M:%S")),
        "by_day": date.isoformat(),
        "by_month": "%d %d" % (date.year, date.month),
        "by_day_of_week": "%d %d" % (date.year, weekday),
        "by_day_of_year": "%d %d" % (date.year, day_of_year),
    }


def decimal(units, scale):
    sign, digits = "-" * (units < 0), str(abs(units)).rjust(scale + 1, "0")
    return (sign + digits[:-scale] + "." + digits[-scale:]).rstrip("0").rstrip(".")


def add_up(sales, zone):
    views = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0, 0]))
    for sale in sales:
        for view, period in periods(sale.when.astimezone(ZoneInfo(zone))).items():
            sums = views[view]["|".join((period,) + sale.what)]
            for i, more in enumerate((sale.gross, sale.refunds, 1)):
                sums[i] += more
    scale = sales[0].scale
    return {
        view: {
            bucket: "%s %s 0 %s %d" % (decimal(gross, scale), decimal(refunds, scale), decimal(gross - refunds, scale), events)
            for bucket, (gross, refunds, events) in buckets.items()
        }
        for view, buckets in views.items()
    }


def main():
    source = {"access-log": page_views, "retail": invoices}[sys.argv[1]]
    sales = list(source(sys.argv[2]))
    json.dump({zone: add_up(sales, zone) for zone in sys.argv[3:]}, sys.stdout)


if __name__ == "__main__":
    main()
