package web

import (
	"encoding/json"
	"fmt"
	"sync"
)

// explanation is what /docs/errors says of a code.
type explanation struct {
	Code   string `json:"code"`
	Status int    `json:"status"`
	// Meaning says what is wrong, Mend what to do.
	Meaning string `json:"meaning"`
	Mend    string `json:"mend"`
	// Path and Detail are of the example.
	Path   string `json:"path"`
	Detail string `json:"detail"`
}

// explanations are of every code that a problem can have: docs/codes.json, which a test compares with the codes.
//
//nolint:gochecknoglobals // it is read once, and never changed
var explanations = sync.OnceValue(func() []explanation {
	text, err := docsFiles.ReadFile("docs/codes.json")
	var all []explanation
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		panic(fmt.Errorf("read the explanations of the codes: %w", err)) // it is a part of the program
	}
	return all
})
