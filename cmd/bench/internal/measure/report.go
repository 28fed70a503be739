package measure

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Report is what a run found.
type Report struct {
	Taken   time.Time `json:"taken"`
	Machine Machine   `json:"machine"`
	Kafka   string    `json:"kafka"`
	Fill    string    `json:"log"`
	Rounds  int       `json:"rounds"`
	Seconds float64   `json:"seconds"`
	Lines   []Line    `json:"measures"`
}

// Machine is where it ran.
type Machine struct {
	Processors int    `json:"processors"`
	Model      string `json:"model,omitempty"`
	System     string `json:"system"`
	Go         string `json:"go"`
}

// Line is what was found of a measure.
type Line struct {
	Name    string  `json:"name"`
	Of      Of      `json:"of"`
	Unit    string  `json:"unit"`
	About   string  `json:"about,omitempty"`
	Against string  `json:"against,omitempty"`
	Goal    float64 `json:"goal,omitempty"`
	Less    bool    `json:"less,omitempty"`
	// Rate is the median of the rounds, Spread how far apart the least and the most are, as a share of it.
	Rate   float64 `json:"rate"`
	Spread float64 `json:"spread"`
	// Ratio is the median of the rounds' product ÷ floor or peer; 0 where there is none.
	Ratio   float64  `json:"ratio,omitempty"`
	Met     *bool    `json:"met,omitempty"`
	PeakRSS int64    `json:"peak_rss_bytes,omitempty"`
	Results []Result `json:"rounds"`
	// Missing says why it cannot be measured here; Failed what went wrong.
	Missing string `json:"missing,omitempty"`
	Failed  string `json:"failed,omitempty"`
}

func lineOf(m Measure) Line {
	return Line{Name: m.Name, Of: m.Of, Unit: m.Unit, About: m.About, Against: m.Against, Goal: m.Goal, Less: m.Less}
}

// Extra is the median of a further figure; 0 where there is none.
func (l *Line) Extra(name string) float64 {
	var all []float64
	for _, result := range l.Results {
		if figure, known := result.Extra[name]; known {
			all = append(all, figure)
		}
	}
	if len(all) == 0 {
		return 0
	}
	return median(all)
}

// Find is the line of a measure that has results; nil if there is none.
func (r *Report) Find(name string) *Line {
	i := slices.IndexFunc(r.Lines, func(l Line) bool { return l.Name == name && len(l.Results) > 0 })
	if i < 0 {
		return nil
	}
	return &r.Lines[i]
}

// Failed are the errors of what failed, nil if nothing did.
func (r *Report) Failed() error {
	var failed []error
	for i := range r.Lines {
		if why := r.Lines[i].Failed; why != "" {
			failed = append(failed, fmt.Errorf("%s: %s", r.Lines[i].Name, why))
		}
	}
	return errors.Join(failed...)
}

// compare fills in what follows from the results.
func (r *Report) compare() {
	for i := range r.Lines {
		l := &r.Lines[i]
		if len(l.Results) == 0 {
			continue
		}
		rates := make([]float64, len(l.Results))
		for n, result := range l.Results {
			rates[n] = result.Rate
			l.PeakRSS = max(l.PeakRSS, result.PeakRSS)
		}
		l.Rate = median(rates)
		if l.Rate != 0 {
			l.Spread = (slices.Max(rates) - slices.Min(rates)) / l.Rate
		}
		judged := l.Rate
		if l.Against != "" {
			l.Ratio = ratio(l, r.Find(l.Against))
			judged = l.Ratio
		}
		if l.Goal != 0 && judged != 0 || l.Less {
			met := judged >= l.Goal
			if l.Less {
				met = judged <= l.Goal
			}
			l.Met = &met
		}
	}
}

// ratio is the product's rate, divided by the floor's or the peer's of the same round; the median of that.
func ratio(l, against *Line) float64 {
	if against == nil {
		return 0
	}
	var ratios []float64
	for n := range min(len(l.Results), len(against.Results)) {
		product, other := l.Results[n].Rate, against.Results[n].Rate
		if l.Of == Peer {
			product, other = other, product
		}
		ratios = append(ratios, product/other)
	}
	return median(ratios)
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Published is what docs/performance.json has: the runs that the pages show, and the ratios that `make bench-check` once reached.
type Published struct {
	Runs []*Report `json:"runs"`
	// Check is by the names of measures.
	Check map[string]float64 `json:"check,omitempty"`
}

// Find is the line of a measure that has results, in the last run that has it; nil if none does.
func (p *Published) Find(name string) *Line {
	for _, run := range slices.Backward(p.Runs) {
		if l := run.Find(name); l != nil {
			return l
		}
	}
	return nil
}

// Write writes a report, or what is published, as JSON.
func Write[T Report | Published](path string, what *T) error {
	text, err := json.MarshalIndent(what, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // for everybody to read
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}

// Read reads what Write wrote.
func Read[T Report | Published](path string) (*T, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	what := new(T)
	if err := json.Unmarshal(text, what); err != nil {
		return nil, fmt.Errorf("read the figures in %s: %w", path, err)
	}
	return what, nil
}

func thisMachine() Machine {
	m := Machine{Processors: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m // not on Linux
	}
	for line := range strings.Lines(string(cpu)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Model = strings.TrimSpace(value)
			break
		}
	}
	return m
}
