package audit

import (
	"cmp"
	"slices"
)

// findings collects the outcome of one projection's checks.
type findings struct {
	differences []*Difference
	total       int64
	rows        int64
	checks      []*check
}

// check is one of the things that must hold; its methods note what was compared.
type check struct {
	findings *findings
	name     string
	compared int64
	failed   int64
}

// expect names checks that will be made, in the order in which they are reported.
func (f *findings) expect(names ...string) {
	for _, name := range names {
		f.check(name)
	}
}

// check starts a check, or goes on with the one of that name.
func (f *findings) check(name string) *check {
	for _, c := range f.checks {
		if c.name == name {
			return c
		}
	}
	c := &check{findings: f, name: name}
	f.checks = append(f.checks, c)
	return c
}

// differs notes a difference; past the limit it is only counted.
func (c *check) differs(d Difference) {
	c.failed++
	c.findings.total++
	if len(c.findings.differences) < MaxDifferences {
		c.findings.differences = append(c.findings.differences, &d)
	}
}

// more counts differences that are not held.
func (c *check) more(n int64) {
	c.failed += n
	c.findings.total += n
}

// same compares two values of a column and notes when they differ.
func (c *check) same(d Difference, want, got string) {
	if want == got {
		return
	}
	d.Kind, d.Want, d.Got = KindDifferent, shown(want), shown(got)
	c.differs(d)
}

// shown is a value for people.
func shown(value string) string {
	if value == null {
		return "NULL"
	}
	return value
}

func (f *findings) report(p *Projection) {
	p.Rows, p.DifferencesTotal = f.rows, f.total
	slices.SortStableFunc(f.differences, func(a, b *Difference) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Kind, b.Kind))
	})
	p.Differences = make([]Difference, 0, len(f.differences))
	for _, d := range f.differences {
		if d.trace = ""; d.Events == nil {
			d.Events = []Reference{}
		}
		p.Differences = append(p.Differences, *d)
	}
	p.Checks = make([]Check, 0, len(f.checks))
	for _, c := range f.checks {
		p.Checks = append(p.Checks, Check{Name: c.name, Compared: c.compared, Differences: c.failed, Passed: c.failed == 0})
	}
}
