package web

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Health answers how a process is.
type Health struct {
	// Ready is nil while the process does its work; else its error, or each of those that errors.Join put together, is a
	// reason. It is called on each request and must be quick. A process without it is always ready.
	Ready func() error
	// Metrics are what /metrics shows; without them there is no /metrics.
	Metrics prometheus.Gatherer
	// Logger is told of metrics that cannot be gathered; nil means nobody is.
	Logger *slog.Logger
}

// Readiness is the answer of /readyz to those who accept application/json.
type Readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"`
}

// Handler serves /livez, /readyz and /metrics; HEAD as well as GET.
func (h Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answerText(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", h.readyz)
	if h.Metrics != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(h.Metrics, promhttp.HandlerOpts{ErrorLog: promLogger{h.Logger}}))
	}
	return mux
}

func (h Health) readyz(w http.ResponseWriter, r *http.Request) {
	answer, status := Readiness{Ready: true, Reasons: []string{}}, http.StatusOK
	if h.Ready != nil {
		if err := h.Ready(); err != nil {
			answer, status = Readiness{Ready: false, Reasons: reasons(err)}, http.StatusServiceUnavailable
		}
	}
	switch {
	case strings.Contains(r.Header.Get("Accept"), "application/json"):
		body, err := json.Marshal(answer)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = w.Write(append(body, '\n')) // whoever asked is gone
	case answer.Ready:
		answerText(w, status, "ready\n")
	default:
		answerText(w, status, "not ready:\n- "+strings.Join(answer.Reasons, "\n- ")+"\n")
	}
}

func answerText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // whoever asked is gone
}

// reasons takes joined errors apart, a line each.
func reasons(err error) []string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return strings.Split(strings.TrimSpace(err.Error()), "\n")
	}
	var all []string
	for _, one := range joined.Unwrap() {
		all = append(all, reasons(one)...)
	}
	return all
}

// promLogger is where the handler of /metrics complains.
type promLogger struct{ logger *slog.Logger }

func (l promLogger) Println(words ...any) {
	if l.logger != nil {
		l.logger.Warn("serving metrics", "what", words)
	}
}
