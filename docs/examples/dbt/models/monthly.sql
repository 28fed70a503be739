{{ config(order_by='(stream, asset_code, month)') }}

SELECT stream, asset_code, makeDate(year, month, 1) AS month, sum(net) AS net, sum(events) AS events
FROM {{ source('revenue', 'by_month') }}
WHERE ledger = 'main'
GROUP BY ALL
