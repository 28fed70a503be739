package clickhouse

// PositionsSQL is the query that tells what is in.
func PositionsSQL(table string) string { return positionsSQL(table) }
