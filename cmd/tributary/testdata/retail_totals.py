#!/usr/bin/env python3
"""Add up the UCI Online Retail invoices, in another way than Tributary does: no events, no floats, no decimals.

  retail_totals.py online-retail.csv.xz > totals.json

Lines are sorted by invoice and added up in thousandths of a pound. An invoice that begins with C is a refund of its
negated total; one that ends below zero otherwise is no valid payment.
"""
import csv
import io
import itertools
import json
import lzma
import sys


def thousandths(price):
    whole, _, fraction = price.lstrip("-").partition(".")
    value = int(whole) * 1000 + int((fraction + "000")[:3])
    assert set(fraction[3:]) <= {"0"}, price
    return -value if price.startswith("-") else value


def main():
    with lzma.open(sys.argv[1], "rb") as raw:
        rows = [
            (row["InvoiceNo"], int(row["Quantity"]) * thousandths(row["UnitPrice"]))
            for row in csv.DictReader(io.TextIOWrapper(raw, "utf-8", newline=""))
        ]
    rows.sort(key=lambda row: row[0])
    receipts, refunds, invalid = {}, {}, []
    for number, lines in itertools.groupby(rows, key=lambda row: row[0]):
        total = sum(line[1] for line in lines)
        if number.startswith("C"):
            refunds["refund-" + number] = -total
        elif total < 0:
            invalid.append(number)
        else:
            receipts["receipt-" + number] = total
    json.dump({"receipts": receipts, "refunds": refunds, "invalid": sorted(invalid)}, sys.stdout)


if __name__ == "__main__":
    main()
