"""Prints a year's revenue by month in a time zone."""

import os

import clickhouse_connect

client = clickhouse_connect.get_client(dsn=os.environ["TRIBUTARY_CLICKHOUSE_URL"])
months = client.query(
    """SELECT month, sum(net) AS net
       FROM revenue.by_month_in(tz = {zone:String})
       WHERE ledger = 'main' AND stream = 'payments' AND asset_code = 'EUR' AND year = {year:UInt16}
       GROUP BY month
       ORDER BY month""",
    parameters={"zone": "Asia/Kolkata", "year": 2025},
)
for month, net in months.result_rows:
    print(f"{month:2} {net:>12,.2f} EUR")
