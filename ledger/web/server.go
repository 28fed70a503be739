package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Time limits of a request's steps, and of what is under way when a server stops.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = time.Minute
	idleTimeout       = 2 * time.Minute
	stopTimeout       = 10 * time.Second
	maxHeaderBytes    = 64 << 10
)

// Server is an HTTP server that listens already.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// Listen binds an address, host:port, where port 0 is any free one. Serving begins with Run. The logger, which may be nil,
// gets the server's complaints about connections.
func Listen(ctx context.Context, address string, handler http.Handler, logger *slog.Logger) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for HTTP on %s: %w", address, err)
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Server{listener, &http.Server{
		Handler: handler, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug), MaxHeaderBytes: maxHeaderBytes,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
	}}, nil
}

// Address is where the server listens, host:port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// URL is where to reach the server from this machine.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.Address())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return "http://" + net.JoinHostPort("localhost", port)
	}
	return "http://" + s.Address()
}

// Run serves until the context ends, and then until what is under way is answered, ten seconds at most.
func (s *Server) Run(ctx context.Context) error {
	stopped := make(chan error, 1)
	end := context.AfterFunc(ctx, func() { stopped <- s.stop(context.WithoutCancel(ctx)) })
	err := s.http.Serve(s.listener)
	if !errors.Is(err, http.ErrServerClosed) {
		if end() {
			return fmt.Errorf("serve HTTP on %s: %w", s.Address(), err)
		}
	}
	return <-stopped
}

func (s *Server) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop serving HTTP on %s: %w", s.Address(), err), s.http.Close())
	}
	return nil
}
