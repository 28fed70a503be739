package clickhouse

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Codes of ClickHouse that the store acts on.
const (
	codeConstraint      = 469 // VIOLATED_CONSTRAINT
	codeCancelled       = 394 // QUERY_WAS_CANCELLED
	codeUnknownTable    = 60
	codeUnknownDatabase = 81
)

// Names of our constraints.
const (
	fenceConstraint = "fence"
	upConstraint    = "up"
)

// refusals are the codes that say that the rows, not the server, are at fault: trying again cannot help.
func refusals() map[int32]bool {
	return map[int32]bool{
		43:  true, // ILLEGAL_TYPE_OF_ARGUMENT
		44:  true, // ILLEGAL_COLUMN
		53:  true, // TYPE_MISMATCH
		69:  true, // ARGUMENT_OUT_OF_BOUND
		70:  true, // CANNOT_CONVERT_TYPE
		131: true, // TOO_LARGE_STRING_SIZE
		190: true, // SIZES_OF_ARRAYS_DONT_MATCH
		321: true, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
		349: true, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
		407: true, // DECIMAL_OVERFLOW
		691: true, // UNKNOWN_ELEMENT_OF_ENUM
	}
}

// exception is what the server said, nil where it said nothing.
func exception(err error) *clickhouse.Exception {
	said, _ := errors.AsType[*clickhouse.Exception](err)
	return said
}

// violates tells whether rows were refused by a constraint of this name.
func violates(err error, constraint string) bool {
	said := exception(err)
	return said != nil && said.Code == codeConstraint && strings.Contains(said.Message, "Constraint `"+constraint+"`")
}

// cancelled tells whether somebody ended the query.
func cancelled(err error) bool {
	said := exception(err)
	return said != nil && said.Code == codeCancelled
}

// refuses tells whether the server cannot take these rows. A constraint must be named: of an answer that was cut off there
// may be no more than the code, and then it may have been the fence.
func refuses(err error) bool {
	said := exception(err)
	if said == nil {
		return false
	}
	named := strings.Contains(said.Message, "Constraint `") && !violates(err, fenceConstraint)
	return refusals()[said.Code] || said.Code == codeConstraint && named
}

// explain says which server failed at what, and what to do where the error does not say.
func explain(what string, err error) error {
	if err == nil {
		return nil
	}
	said := exception(err)
	switch {
	case said == nil:
		if request, ok := errors.AsType[*url.Error](err); ok {
			err = request.Err // Its URL has every setting in it, and the server's address is in the cause.
		}
		return fmt.Errorf("ClickHouse: %s: no answer: %w", what, err)
	case said.Code == codeUnknownTable || said.Code == codeUnknownDatabase:
		return fmt.Errorf("ClickHouse: %s: %w (the tables are not there: run `tributary migrate`)", what, err)
	default:
		return fmt.Errorf("ClickHouse: %s: %w", what, err)
	}
}
